"""What is to be closed, as this process hears it from all."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from realtime.closing import CHANNEL
from realtime.connection import Connection, opened
from realtime.hub import hub
from realtime.request import WebSocketRequest
from realtime.types import Event

MINUTE = 60.0
recent: list[dict[str, Any]] = []  # what was closed of late, for handshakes that were under way


def listen() -> None:
    """Hear, in this event loop, what is to be closed."""
    hub().receivers.setdefault(CHANNEL, {})[obey] = None


@asynccontextmanager
async def listening() -> AsyncIterator[None]:
    """Hear it from the start of the service to its end."""
    listen()
    try:
        yield
    finally:
        if link := hub().link:
            await link.close()


def obey(event: Event) -> None:
    """Close the connections that are meant."""
    closing, now = json.loads(event["text"]), time.monotonic()
    closing["until"] = now + closing["refuse"]
    recent[:] = [one for one in recent if one["until"] > now - MINUTE] + [closing]
    loop = asyncio.get_running_loop()
    for connection in list(opened):
        if connection.loop is loop and connection.belongs(closing["whose"]):
            connection.end(closing["code"], closing["reason"])


def identify(connection: Connection, request: WebSocketRequest) -> None:
    """Note whose the connection is; end it if that was closed since its handshake began."""
    connection.identify(request)
    for closing in recent:
        if closing["until"] > connection.since and connection.belongs(closing["whose"]):
            connection.end(closing["code"], closing["reason"])
