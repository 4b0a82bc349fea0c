"""The connections of this process: registered, counted, limited, and closed when it stops."""

import asyncio
import logging
import os
import socket
import stat
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from realtime import server
from realtime.types import Event, Send

logger = logging.getLogger(__name__)
STOPPED = 1012  # "service restart" in IANA's registry of close codes
# A client is dropped 50 s after its last sign of life: 20 s of silence and three probes without an
# answer, or 50,000 ms with data that it does not acknowledge or has no room for. The last one is
# for the bytes that wait in the kernel: without a limit megabytes do, and `send` never has to wait.
TCP_OPTIONS = {
    "TCP_KEEPIDLE": 20,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 50_000,
    "TCP_NOTSENT_LOWAT": 128 * 1024,
}

opened: "set[Connection]" = set()
groups: "dict[tuple[str, str], set[Connection]]" = {}  # by what they are of, as a user or a session
current: "ContextVar[Connection]" = ContextVar("connection")
recent: list[dict[str, Any]] = []  # what was closed of late, for those that are on their way in
attended: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
stopping: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


class Connection:
    """A connection from the start of its handshake, in the task that the server made for it."""

    __slots__ = (
        *("accepted", "closed", "code", "headers", "keys", "loop", "on_accept", "reason"),
        *("server_send", "since", "task"),
    )

    def __init__(self, server_send: Send) -> None:
        self.server_send = server_send
        self.task: Any = asyncio.current_task()
        self.loop = asyncio.get_running_loop()
        self.since = time.monotonic()
        self.keys: tuple[tuple[str, str], ...] = ()  # the groups it is in
        self.headers: Iterable[tuple[bytes, bytes]] = ()  # of the accept
        self.accepted = self.closed = False  # by the loop
        self.on_accept: tuple[Callable[[], None], ...] = ()
        self.code: int | None = None  # with which it is being closed
        self.reason = ""
        current.set(self)
        opened.add(self)

    def send(self, event: Event) -> Awaitable[None]:
        """The server's `send`, as the loop gets it: it notes the accept and the close."""
        match event["type"]:
            case "websocket.send":
                return self.server_send(event)
            case "websocket.accept":
                return self._accept(event)
        return self._close(event)

    async def _accept(self, event: Event) -> None:
        """uvicorn and hypercorn send the headers, the other servers do not."""
        if self.headers:
            event = {**event, "headers": [*event.get("headers", ()), *self.headers]}
        await self.server_send(event)
        self.accepted = True
        for release in self.on_accept:
            self.loop.call_soon(release)  # after what the loop says first
        self.on_accept = self.headers = ()

    async def _close(self, event: Event) -> None:
        """Send a close or a denial; one that the server does not take is none."""
        await self.server_send(event)
        self.closed = True

    def join(self, kind: str, value: Any) -> None:
        """Put it into a group, as that of a user's connections; end it if that was closed since."""
        key = (kind, str(value))
        self.keys += (key,)
        groups.setdefault(key, set()).add(self)
        for closing in recent:
            if closing["until"] > self.since and closing["whose"].items() <= {*self.keys}:
                self.end(closing["code"], closing["reason"])

    def part(self, kind: str, value: Any) -> None:
        """Undo one `join`; nothing is left to undo for a task that outlives the connection."""
        keys, key = list(self.keys), (kind, str(value))
        if key not in keys:
            return
        keys.remove(key)
        self.keys = tuple(keys)
        if key not in keys:
            groups[key].discard(self)
            if not groups[key]:
                del groups[key]

    def end(self, code: int, reason: str = "") -> None:
        """Cancel its task, which then sends this close; to be called in its event loop."""
        if self.code is None:
            self.code, self.reason = code, reason
            self.task.cancel()

    def forget(self) -> None:
        """Take it out of the registry."""
        for key in self.keys:
            self.part(*key)
        opened.discard(self)


def register(server_send: Send) -> Connection:
    """Note a connection whose handshake begins, in its own task."""
    loop = asyncio.get_running_loop()
    if loop not in attended:
        attended.add(loop)
        set_tcp_options()
        server.on_shutdown(server_send, shut_down)
    return Connection(server_send)


def belonging(whose: dict[str, str]) -> "set[Connection]":
    """The connections of all these: {"user_id": "5", "channel": "news"}.

    It costs what it finds, however many are open.
    """
    smallest, *others = sorted((groups.get(key, set()) for key in whose.items()), key=len)
    return smallest.intersection(*others)


def count() -> int:
    """How many connections are open, those in their handshake included."""
    return sum(connection.code is None for connection in list(opened))


def full() -> bool:
    """Whether there are settings.MAX_CONNECTIONS."""
    limit = settings.MAX_CONNECTIONS
    return limit is not None and len(opened) >= limit


def stops() -> bool:
    """Whether no more are taken because the server of this event loop stops."""
    return bool(stopping) and asyncio.get_running_loop() in stopping


def too_many() -> HttpResponse:
    """The answer to a handshake when the service is full, or stops."""
    logger.warning("A handshake is refused: %d connections are open", len(opened))
    return HttpResponse("Too many connections.\n", "text/plain", 503, headers={"Retry-After": "5"})


def health(request: HttpRequest) -> JsonResponse:
    """Tell a load balancer or a monitor that this process answers, and how busy it is."""
    return JsonResponse({"connections": count()})


async def shut_down() -> None:
    """Close all with 1012, and drop those that do not take it in 2 s."""
    loop = asyncio.get_running_loop()
    stopping.add(loop)
    tasks: set[asyncio.Task[Any]] = set()
    for connection in list(opened):
        if connection.loop is loop:
            connection.end(STOPPED, "service restart")
            tasks.add(connection.task)
    for seconds in (2, 1):
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=seconds)
            for task in tasks:
                task.cancel()
    await asyncio.sleep(0.1)  # in which the server sends what it still holds


def set_tcp_options() -> None:
    """Set them for every TCP socket of this process; connections inherit the listening socket's.

    It goes by the list of open files: ASGI has no way to a socket. See tcp(7).
    """
    with suppress(FileNotFoundError):  # a system without /dev/fd
        for descriptor in map(int, os.listdir("/dev/fd")):
            with suppress(OSError):  # closed meanwhile, or not TCP
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    with socket.socket(fileno=os.dup(descriptor)) as tcp:
                        _set_on(tcp)


def _set_on(tcp: socket.socket) -> None:
    if tcp.family in {socket.AF_INET, socket.AF_INET6}:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in TCP_OPTIONS.items():
            if hasattr(socket, name):  # on this system
                tcp.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
