"""`WebSocketClient` talks to the service within the test's own process, without a server."""

import asyncio
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import unquote

from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.db import connections
from django.test import AsyncClient
from django.utils.module_loading import import_string

from realtime import database
from realtime.asgi import WebSocketHandler
from realtime.handshake import Handshakes
from realtime.types import Event

databases: Any = connections
per_thread = databases._connections
in_threads = vars(WebSocketHandler)["in_thread"]
CLOSING = ("close", "close_if_unusable_or_obsolete")
borrowers = 0


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


class WebSocketClient:
    """`async with WebSocketClient("/ws/", user=user) as client:` connects, and leaves at its end.

    The path may have a query string; the user is logged in first; more keys go into the scope,
    such as subprotocols. `accepted` is the accept event. A wait of more than `timeout` seconds
    raises TimeoutError that names what did not come.
    """

    timeout = 5.0

    def __init__(
        self, path: str, *, user: Any = None, headers: dict[str, str] | None = None, **scope: Any
    ) -> None:
        self.path, self.user, self.scope = path, user, scope
        given = {name.lower(): value for name, value in (headers or {}).items()}
        self.headers = {"host": "testserver"} | given

    async def __aenter__(self) -> Self:
        await sync_to_async(share_connections)()
        try:
            if self.user:
                browser = AsyncClient()
                await browser.aforce_login(self.user)
                cookies = browser.cookies.output(attrs=[], header="", sep=";")
                self.headers["cookie"] = cookies.strip()
            application = import_string(settings.ASGI_APPLICATION)
            self.service = ApplicationCommunicator(application, self._scope())
            await self._connect()
        except BaseException:
            await sync_to_async(unshare_connections)()
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            await self.service.send_input({"type": "websocket.disconnect", "code": 1000})
            ended = await self._end()
            if error is None and ended:
                raise ended
        finally:
            await sync_to_async(unshare_connections)()

    async def send(self, message: str | bytes) -> None:
        """Send a text or a binary message."""
        kind = "text" if isinstance(message, str) else "bytes"
        await self.service.send_input({"type": "websocket.receive", kind: message})

    async def receive(self) -> str | bytes:
        """Return the next message, or raise ConnectionClosed."""
        match await self._event("message"):
            case {"type": "websocket.send", "text": str(message)}:
                return message
            case {"type": "websocket.send", "bytes": bytes(message)}:
                return message
            case close:
                raise ConnectionClosed(close["code"], close.get("reason", ""))

    def _scope(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        return {
            "type": "websocket",
            "path": unquote(path),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in self.headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("testserver", 80),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        } | self.scope

    async def _connect(self) -> None:
        await self.service.send_input({"type": "websocket.connect"})
        self.accepted = start = await self._event("answer")
        if start["type"] == "websocket.close":
            raise HandshakeRefused(403, [], b"")
        if start["type"] != "websocket.accept":
            body = await self._event("body of the refusal")
            raise HandshakeRefused(start["status"], start["headers"], body["body"])

    async def _event(self, awaited: str) -> Event:
        """Return the next event that the service sends, or raise what the service raises."""
        get: asyncio.Task[Event] = asyncio.ensure_future(self.service.output_queue.get())
        both = {get, self.service.future}
        await asyncio.wait(both, timeout=self.timeout, return_when="FIRST_COMPLETED")
        if get.done():
            return get.result()
        get.cancel()
        if self.service.future.done():
            self.service.future.result()
        raise TimeoutError(f"{self.path.partition('?')[0]}: no {awaited} in {self.timeout} s")

    async def _end(self) -> Exception | None:
        """Wait for the end of the loop; return what was wrong with it."""
        await asyncio.wait({self.service.future}, timeout=self.timeout)
        if not self.service.future.done():
            self.service.stop()
            path = self.path.partition("?")[0]
            return TimeoutError(f"{path}: no end of the loop in {self.timeout} s")
        while not self.service.output_queue.empty():
            if self.service.output_queue.get_nowait().get("code") == 1011:
                return ConnectionClosed(1011, "the loop raised, and the test did not look")
        return None


def share_connections() -> None:
    """Give every thread this thread's connections, until as many `unshare_connections` calls.

    A test's transaction, which rolls its rows back, belongs to one connection, and Django gives
    each thread a connection of its own. Handshakes run in other threads, and so does `await` on the
    ORM under pytest-asyncio: without this they would not see the rows, and theirs would stay.
    """
    global borrowers
    borrowers += 1
    if borrowers == 1:
        shared = {connection.alias: connection for connection in connections.all()}
        for connection in shared.values():
            connection.inc_thread_sharing()
            # They are the test's: no request and no thread that ends may close them as its own.
            vars(connection).update(dict.fromkeys(CLOSING, lambda: None))
        databases._connections = SimpleNamespace(**shared)
        WebSocketHandler.in_thread = sync_to_async(Handshakes.answer)  # where the test's ORM runs
        database.shared = True


def unshare_connections() -> None:
    """Give each thread its own connections again."""
    global borrowers
    borrowers -= 1
    if borrowers == 0:
        for connection in connections.all():
            connection.dec_thread_sharing()
            for name in CLOSING:
                vars(connection).pop(name, None)
        databases._connections = per_thread
        WebSocketHandler.in_thread = in_threads
        database.shared = False
