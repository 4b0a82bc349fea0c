"""JSON messages: events with a `json` key, for a loop that begins with

    receive, send = json_messages(receive, send)

and then has such a case:

    case {"type": "websocket.receive", "json": {"text": str(text)}}:
        await send({"type": "websocket.send", "json": {"you said": text}})
"""

import json
import math
from collections.abc import Awaitable
from typing import Any, NoReturn

from django.core.serializers.json import DjangoJSONEncoder

from realtime.types import Event, Receive, Send, check

DEPTH = 64  # levels of lists and objects; Python stops at a thousand, and other code sooner


def json_messages(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return a `receive` that adds `json` to what is JSON, and a `send` that takes it.

    What `loads` refuses, and a binary message, is left as it is: no pattern with `json` matches.
    """

    async def receive_json() -> Event:
        event = await receive()
        if (text := event.get("text")) is not None:
            try:
                return {**event, "json": loads(text)}
            except ValueError:
                pass
        return event

    def send_json(event: Event) -> Awaitable[None]:
        if "json" in event:
            if event.keys() != {"type", "json"}:
                raise TypeError(f"an event with json has no other key but type: {event!s:.200}")
            event = {"type": event["type"], "text": dumps(event["json"])}
        return send(event)

    return receive_json, send_json


def dumps(value: Any) -> str:
    """The JSON of a value, for `publish` and for the messages of `first`.

    Dates, Decimal and UUID are text, as in Django's JsonResponse. Raises TypeError or ValueError
    for what JSON does not have, such as a set or NaN.
    """
    try:
        text = ENCODER.encode(value)
    except RecursionError:
        raise ValueError("it has too many levels for JSON") from None
    check(text)
    return text


def loads(text: str) -> Any:
    """The value of a JSON text.

    Raises ValueError for what is no JSON, and for JSON that would raise later: infinite numbers,
    NUL and lone surrogates, which no database takes, and more than 64 levels.
    """
    try:
        value = DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"more than {DEPTH} levels") from None
    if "\\u" in text or text.count("[") + text.count("{") >= DEPTH:
        look_through(value)
    return value


def look_through(value: Any) -> None:
    """Raise ValueError if it is too deep, or has text that cannot be stored or sent."""
    level = [value]
    for _ in range(DEPTH):
        texts = "".join(each for each in level if isinstance(each, str))
        texts.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
        if "\0" in texts:
            raise ValueError("NUL in a text")
        level = [one for each in level if isinstance(each, (list, dict)) for one in inside(each)]
    if level:
        raise ValueError(f"more than {DEPTH} levels")


def inside(value: Any) -> list[Any]:
    """What is in a list, or the keys and the values of an object."""
    return [*value, *value.values()] if isinstance(value, dict) else value


def finite(digits: str) -> float:
    """A number with a fraction or an exponent. Raises ValueError for one like 1e999."""
    if math.isinf(number := float(digits)):
        raise ValueError(f"{digits} is too large")
    return number


def refuse(name: str) -> NoReturn:
    """Raise ValueError for NaN and Infinity, which Python takes and JSON does not have."""
    raise ValueError(f"{name} is no JSON")


DECODER = json.JSONDecoder(parse_float=finite, parse_constant=refuse)
ENCODER = DjangoJSONEncoder(allow_nan=False, ensure_ascii=False)
