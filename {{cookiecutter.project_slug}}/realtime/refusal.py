"""A handshake refused: Django's response, as far as the server can send it."""

import logging

from django.http.response import HttpResponseBase

from realtime.cookies import cookies
from realtime.types import Event, Receive, Scope, Send

MISSING = "ASGI callable returned without completing handshake"
# uvicorn takes a denial response for a missing answer, and logs an error after each.
logging.getLogger("uvicorn.error").addFilter(lambda record: MISSING not in str(record.msg))


def events(scope: Scope, response: HttpResponseBase) -> list[Event]:
    """The ASGI events that refuse: the response itself, or a close, which the client sees as 403.

    https://asgi.readthedocs.io/en/latest/extensions.html#websocket-denial-response
    """
    if "websocket.http.response" not in (scope.get("extensions") or ()):
        return [{"type": "websocket.close", "code": 1008, "reason": ""}]
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    status = response.status_code if response.status_code >= 300 else 404  # a page by middleware
    start = {"status": status, "headers": headers + cookies(response)}
    return [
        {"type": "websocket.http.response.start", **start},
        {"type": "websocket.http.response.body", "body": b"".join(response)},  # granian: in one
    ]


async def refuse(events: list[Event], receive: Receive, send: Send) -> None:
    """Answer the handshake with these events."""
    await receive()  # websocket.connect
    for event in events:
        await send(event)
