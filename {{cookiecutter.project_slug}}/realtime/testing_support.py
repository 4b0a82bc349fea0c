"""What `WebSocketClient` is made of: the service it talks to, and what it raises."""

import asyncio
from typing import Any
from urllib.parse import unquote

from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import AsyncClient
from django.utils.module_loading import import_string

from realtime.types import Event


class HandshakeRefused(Exception):
    """The service answered the handshake with an HTTP response; a bare close counts as 403."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        super().__init__(f"HTTP {status}: {body[:200]!r}")
        self.status, self.body = status, body
        self.headers = {name.decode().lower(): value.decode() for name, value in headers}


class ConnectionClosed(Exception):
    """The service closed the connection (RFC 6455, section 7.4)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


def connection(path: str, headers: dict[str, str], scope: Any) -> ApplicationCommunicator:
    """settings.ASGI_APPLICATION with one WebSocket connection, not yet answered."""
    path, _, query = path.partition("?")
    given = {
        "type": "websocket",
        "path": unquote(path),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    return ApplicationCommunicator(import_string(settings.ASGI_APPLICATION), given | scope)


async def next_event(service: ApplicationCommunicator, awaited: str, limit: float) -> Event:
    """Return the next event that the service sends, or raise what the service raises."""
    get: asyncio.Task[Event] = asyncio.ensure_future(service.output_queue.get())
    await asyncio.wait({get, service.future}, timeout=limit, return_when="FIRST_COMPLETED")
    if get.done():
        return get.result()
    get.cancel()
    if service.future.done():
        service.future.result()
    raise TimeoutError(f"{service.scope['path']}: no {awaited} in {limit} s")


async def end(service: ApplicationCommunicator, limit: float) -> Exception | None:
    """Wait for the end of the loop; return what was wrong with it."""
    await asyncio.wait({service.future}, timeout=limit)
    if not service.future.done():
        service.stop()
        return TimeoutError(f"{service.scope['path']}: no end of the loop in {limit} s")
    while not service.output_queue.empty():
        if service.output_queue.get_nowait().get("code") == 1011:
            return ConnectionClosed(1011, "the loop raised, and the test did not look")
    return None


async def login_cookie(user: Any) -> str:
    """Log the user in and return the Cookie header of the session."""
    browser = AsyncClient()
    await browser.aforce_login(user)
    return browser.cookies.output(attrs=[], header="", sep=";").strip()
