"""JSON messages, and what is none."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.test import SimpleTestCase, TestCase

from realtime.broadcast import publish
from realtime.messages import dumps, json_messages, loads
from realtime.testing import WebSocketClient
from realtime.tests import own_settings
from realtime.types import Event

DEEP = 100_000
REFUSED = {
    "ping": "no JSON",
    "": "no JSON",
    "{'a': 1}": "no JSON",
    '{"a": 1} {"b": 2}': "no JSON",
    "\ufeff[]": "a byte order mark",
    '"a\0"': "NUL",
    '"\\u0000"': "NUL, escaped",
    '{"\\u0000": 1}': "NUL in a key",
    '{"a": ["\\ud800"]}': "a lone surrogate",
    '"\\udc00\\ud800"': "a pair of surrogates in the wrong order",
    "NaN": "no number of JSON",
    "[-Infinity]": "no number of JSON",
    "1e999": "an infinite number",
    "1" * 5000: "more digits than Python reads",
    "[" * DEEP: "deep, without an end",
    "[" * DEEP + "]" * DEEP: "deeper than Python reads",
    '{"a":' * 65 + "1" + "}" * 65: "deeper than Python code bears",
}


async def received(event: Event) -> Event:
    """What a loop with JSON messages gets for an event."""

    async def receive() -> Event:
        return event

    async def send(event: Event) -> None:
        raise AssertionError(event)

    return await json_messages(receive, send)[0]()


def sent(event: Event) -> Event:
    """What the server gets for an event that a loop with JSON messages sends."""
    got: list[Event] = []

    async def receive() -> Event:
        raise AssertionError

    async def send(event: Event) -> None:
        got.append(event)

    async def loop() -> None:
        await json_messages(receive, send)[1](event)

    asyncio.run(loop())
    return got[0]


class ReceivedTests(SimpleTestCase):
    async def test_text_that_is_json_has_its_value(self) -> None:
        for text, value in {
            '{"text": "héllo"}': {"text": "héllo"},
            " [1, 2.5, true, null] ": [1, 2.5, True, None],
            "null": None,
            '"\\ud83d\\ude00 \\\\u0000"': "\N{GRINNING FACE} \\u0000",
            '{"a": 1, "a": 2}': {"a": 2},  # as in a browser
            "[" + "[]," * 1000 + "[]]": [[]] * 1001,  # many, but not deep
            "[" * 64 + "]" * 64: json.loads("[" * 64 + "]" * 64),
        }.items():
            with self.subTest(text=text):
                event = {"type": "websocket.receive", "text": text}
                self.assertEqual(await received(event), event | {"json": value})

    async def test_any_other_event_is_as_it_was(self) -> None:
        for text, why in REFUSED.items():
            with self.subTest(why, text=text[:20]):
                event: Event = {"type": "websocket.receive", "text": text}
                self.assertEqual(await received(event), event)
        for event in (
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "bytes": b"{}"},
            {"type": "websocket.receive", "text": None, "bytes": b"{}"},
            {"type": "websocket.disconnect", "code": 1000},
        ):
            self.assertEqual(await received(event), event)

    def test_what_is_refused_is_said(self) -> None:
        for text in REFUSED:
            with self.assertRaises(ValueError):
                loads(text)


class SentTests(SimpleTestCase):
    def test_a_value_is_sent_as_text(self) -> None:
        event = {"type": "websocket.send", "json": {"text": "héllo", "n": [1, None]}}
        text = '{"text": "héllo", "n": [1, null]}'
        self.assertEqual(sent(event), {"type": "websocket.send", "text": text})

    def test_any_other_event_is_sent_as_it_is(self) -> None:
        for event in (
            {"type": "websocket.accept"},
            {"type": "websocket.send", "text": "{}"},
            {"type": "websocket.send", "bytes": b"{}"},
            {"type": "websocket.close", "code": 4000, "reason": "enough"},
        ):
            self.assertIs(sent(event), event)

    def test_what_django_writes_into_json_may_be_sent(self) -> None:
        at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        value = [at, at.date(), Decimal("1.10"), UUID(int=5)]
        right = f'["2026-01-02T03:04:05Z", "2026-01-02", "1.10", "{UUID(int=5)}"]'
        self.assertEqual(dumps(value), right)

    def test_what_json_does_not_have_raises_where_it_is_sent(self) -> None:
        deep: Any = []
        for _ in range(DEEP):
            deep = [deep]
        for value, error, words in (
            ({1}, TypeError, "Object of type set is not JSON serializable"),
            (object(), TypeError, "Object of type object is not JSON serializable"),
            ({(1, 2): 3}, TypeError, "keys must be str"),
            (float("nan"), ValueError, "Out of range float values are not JSON compliant"),
            ("\ud800", ValueError, "surrogates not allowed"),
            (deep, ValueError, "it has too many levels for JSON"),
        ):
            with self.subTest(words), self.assertRaisesMessage(error, words):
                sent({"type": "websocket.send", "json": value})

    def test_an_event_with_two_messages_is_refused(self) -> None:
        with self.assertRaisesMessage(TypeError, "an event with json has no other key but type"):
            sent({"type": "websocket.send", "json": {}, "text": "hello"})


@own_settings
class LoopTests(TestCase):
    async def test_a_loop_and_its_client_speak_json(self) -> None:
        async with WebSocketClient("/json/") as client:
            await client.send("ping")
            self.assertEqual(await client.receive(), "pong!")
            await client.send(b'{"text": "binary"}')
            for ignored in ("hello", "[1]", '{"text": 1}', '{"text": "\\u0000"}', "[" * DEEP):
                await client.send(ignored)
            await client.send_json({"text": "hello"})
            self.assertEqual(await client.receive_json(), {"you said": "hello"})

    async def test_what_is_published_comes_through_as_it_is(self) -> None:
        async with (
            WebSocketClient("/json/") as client,
            WebSocketClient("/json/?after=") as resuming,
        ):
            await publish("json", dumps({"text": "hello"}))
            self.assertEqual(await client.receive_json(), {"text": "hello"})
            await resuming.receive()  # where it stands
            self.assertRegex(str(await resuming.receive()), r'^\x1e[^\x1e]+\x1e{"text": "hello"}$')
