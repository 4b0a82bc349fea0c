"""`WebSocketClient` talks to the service within the test's own process, without a server."""

import asyncio
from types import SimpleNamespace
from typing import Any, NoReturn, Self
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
from realtime.messages import dumps, loads
from realtime.types import Event, Receive, Scope, Send, check

databases: Any = connections
per_thread = databases._connections
in_threads = vars(WebSocketHandler)["in_thread"]
CLOSING = ("close", "close_if_unusable_or_obsolete")
borrowers = 0
CLOSE = {"websocket.close": {"code", "reason"}}
EVENTS: dict[str, dict[str, set[str]]] = {  # what a server takes when, with the keys it knows
    "before the accept": {
        "websocket.accept": {"headers", "subprotocol"},
        **CLOSE,
        "websocket.http.response.start": {"headers", "status"},
    },
    "after the accept": {"websocket.send": {"bytes", "text"}, **CLOSE},
    "in a refusal": {"websocket.http.response.body": {"body", "more_body"}},
    "after the close": {},
}
SHAPES = ([str, type(None)], [type(None), bytes])  # of text and bytes
NEXT = {
    "websocket.accept": "after the accept",
    "websocket.send": "after the accept",
    "websocket.http.response.start": "in a refusal",
}


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
    raises TimeoutError that names what did not come. Where the loop sends what no server takes, its
    `send` raises.
    """

    timeout = 5.0

    def __init__(
        self, path: str, *, user: Any = None, headers: dict[str, str] | None = None, **scope: Any
    ) -> None:
        self.path, self.user, self.scope = path, user, scope
        self.name = path.partition("?")[0]
        given = {name.lower(): value for name, value in (headers or {}).items()}
        self.headers = {"host": "testserver"} | given
        self.state = "before the accept"
        self.mistake: RuntimeError | None = None  # the last of the loop
        self.late: RuntimeError | None = None  # one after its close, which no other close can tell

    async def __aenter__(self) -> Self:
        await sync_to_async(share_connections)()
        try:
            if self.user:
                browser = AsyncClient()
                await browser.aforce_login(self.user)
                cookies = browser.cookies.output(attrs=[], header="", sep=";")
                self.headers["cookie"] = cookies.strip()
            self.application = import_string(settings.ASGI_APPLICATION)
            self.service = ApplicationCommunicator(self._serve, self._scope())
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
        """Send a text or a binary message. Raises TypeError if it is neither."""
        kind = "text" if isinstance(message, str) else "bytes"
        await self.service.send_input({"type": "websocket.receive", kind: check(message)})

    async def receive(self) -> str | bytes:
        """Return the next message, or raise ConnectionClosed."""
        match await self._event("message"):
            case {"type": "websocket.send", "text": str(message)}:
                return message
            case {"type": "websocket.send", "bytes": bytes(message)}:
                return message
            case close:
                code, reason = close.get("code", 1000), close.get("reason") or ""
                raise ConnectionClosed(code, reason) from self.mistake

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON."""
        await self.send(dumps(value))

    async def receive_json(self) -> Any:
        """Return the value of the next message. Raises ValueError if that is no JSON."""
        message: Any = await self.receive()
        try:
            return loads(message)
        except (TypeError, ValueError) as error:  # TypeError for a binary one
            raise ValueError(f"{self.name}: a message that is no JSON: {message!r:.200}") from error

    async def receive_nothing(self, seconds: float = 0.1) -> bool:
        """Return True if nothing comes for so long, or raise AssertionError that says what did."""
        if event := await self._next(seconds):
            raise AssertionError(f"{self.name}: nothing was to come, but {event!s:.200}")
        return True

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

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the service; the loop's mistakes raise where it makes them."""
        left = False

        async def checked_receive() -> Event:
            nonlocal left
            if left:
                self._wrong("receive() after websocket.disconnect: return from the loop instead")
            event = await receive()
            left = event["type"] == "websocket.disconnect"
            return event

        async def checked_send(event: Event) -> None:
            if wrong := fault(event, self.state):
                self._wrong(wrong)
            if not event.get("more_body"):
                self.state = NEXT.get(event["type"], "after the close")
            await send(event)

        await self.application(scope, checked_receive, checked_send)

    def _wrong(self, words: str) -> NoReturn:
        self.mistake = RuntimeError(words)
        self.late = self.mistake if self.state == "after the close" else None
        raise self.mistake

    async def _connect(self) -> None:
        await self.service.send_input({"type": "websocket.connect"})
        self.accepted = start = await self._event("answer")
        if start["type"] == "websocket.close":
            raise HandshakeRefused(403, [], b"") from self.mistake
        if start["type"] != "websocket.accept":
            body = await self._event("body of the refusal")
            refused = HandshakeRefused(
                start["status"], start.get("headers", []), body.get("body", b"")
            )
            raise refused from self.mistake

    async def _event(self, awaited: str) -> Event:
        """Return the next event that the service sends, or raise what the service raises."""
        if event := await self._next(self.timeout):
            return event
        raise TimeoutError(f"{self.name}: no {awaited} in {self.timeout} s{hooks()}")

    async def _next(self, seconds: float) -> Event | None:
        """Return the next event, None if none comes, or raise what the service raises."""
        get: asyncio.Task[Event] = asyncio.ensure_future(self.service.output_queue.get())
        both = {get, self.service.future}
        await asyncio.wait(both, timeout=seconds, return_when="FIRST_COMPLETED")
        if get.done():
            return get.result()
        get.cancel()
        if self.service.future.done():
            self.service.future.result()
        return None

    async def _end(self) -> Exception | None:
        """Wait for the end of the loop; return what was wrong with it."""
        await asyncio.wait({self.service.future}, timeout=self.timeout)
        if not self.service.future.done():
            self.service.stop()
            return TimeoutError(f"{self.name}: no end of the loop in {self.timeout} s")
        while not self.service.output_queue.empty():
            if self.service.output_queue.get_nowait().get("code") == 1011:
                unseen = ConnectionClosed(1011, "the loop raised, and the test did not look")
                unseen.__cause__ = self.mistake
                return unseen
        return self.late


def fault(event: Event, state: str) -> str:
    """What is wrong with an event that the loop sends in this state, and what would be right."""
    kind, wrong = event["type"], ""
    keys = EVENTS[state].get(kind)
    both = [event.get("text"), event.get("bytes")]
    if keys is None:
        right = ", ".join(EVENTS[state]) or "nothing more: return from the loop"
        wrong = f"{state} a server takes {right}"
    elif unknown := sorted(event.keys() - keys - {"type"}):
        wrong = f"it has no key {unknown[0]!r}; it takes {' and '.join(sorted(keys))}"
        wrong += "; json_messages(receive, send) makes text of json" * ("json" in unknown)
    elif kind == "websocket.send" and [type(one) for one in both] not in SHAPES:
        wrong = "it takes either text, a str (for JSON see realtime/messages.py), or bytes"
    return wrong and f"{kind}: {wrong}. This was sent: {event!s:.200}"


def hooks() -> str:
    """What a time-out says if a publish, a close or a logout may wait for the test's commit."""
    count = sum(len(one.run_on_commit) for one in connections.all(initialized_only=True))
    return bool(count) * (
        f"; {count} on_commit hooks wait for a commit that the test's transaction never makes, "
        "unless captureOnCommitCallbacks(execute=True) runs them at the end of its block "
        "(pytest-django: django_capture_on_commit_callbacks)"
    )


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
        # Where the test's ORM runs.
        WebSocketHandler.in_thread = staticmethod(sync_to_async(Handshakes.answer))
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
