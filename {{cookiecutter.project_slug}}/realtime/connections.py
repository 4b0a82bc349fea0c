"""The connections of this process: registered, counted, limited, and closed when it stops."""

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context, ContextVar
from typing import Any, NamedTuple
from weakref import WeakSet

from django.conf import settings
from django.http import HttpResponse

from realtime import server
from realtime.sockets import files, set_tcp_options
from realtime.types import Event, Send

logger = logging.getLogger(__name__)
STOPPED, LATER = 1012, 1013  # "service restart", "try again later" (IANA's registry)
GONE, FORBIDDEN = 1006, 403  # what is seen without a close, and of a close before the accept
CLOSE_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
HANDSHAKE = 10.0  # seconds for a handshake, up to the accept
AGAIN = 3.0  # seconds that a loop has to end, before it is cancelled again
SWEEP = 2.0  # seconds between looks at all connections
REMEMBERED = 60.0  # seconds for which an end of many holds for handshakes that are under way

serves = False  # whether this process may have connections at all; a command has none
opened: "set[Connection]" = set()
groups: "dict[tuple[str, str], set[Connection]]" = {}  # by what they are of, as a user or a session
tally: "defaultdict[Any, int]" = defaultdict(int)  # of what has happened, for metrics.py
current: "ContextVar[Connection]" = ContextVar("connection")
recent: "dict[tuple[str, str], list[End]]" = {}  # for those that are on their way in
sweepers: "list[Callable[[list[Connection]], None]]" = []
attended: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
stopping: set[asyncio.AbstractEventLoop] = set()


class End(NamedTuple):
    """An end of the connections that are of all these and began before `until`."""

    whose: frozenset[tuple[str, str]]
    code: int
    reason: str
    until: float


class Connection:
    """A connection from the start of its handshake, in the task that the server made for it."""

    __slots__ = (
        *("accepted", "accepting", "closed", "code", "due", "ending", "headers", "keys", "loop"),
        *("on_accept", "protocol", "reason", "server_send", "since", "task", "timer", "write"),
        "subprotocol",
    )

    def __init__(self, server_send: Send) -> None:
        self.protocol = server.protocol(server_send)
        self.server_send = server.adopt(self.protocol, server_send)
        self.write = server.writer(self.protocol, server_send)
        self.task: Any = asyncio.current_task()
        self.loop = asyncio.get_running_loop()
        self.since = time.monotonic()
        self.keys: tuple[tuple[str, str], ...] = ()  # the groups it is in
        self.headers: Iterable[tuple[bytes, bytes]] = ()  # of the accept
        self.subprotocol: str | None = None
        self.accepted = False  # by the loop
        self.closed = 0  # by the loop, or refused: the code, or HTTP's status
        self.accepting = False  # its accept is being sent
        self.ending = False  # its close is being sent
        self.on_accept: tuple[Callable[[], None], ...] = ()
        self.due = math.inf  # when the session of its user is to be looked up
        self.code: int | None = None  # with which it is being closed
        self.reason = ""
        self.timer = self._limit()
        current.set(self)
        opened.add(self)

    def begin(self) -> None:
        """Give the handshake its time from now on, if it has waited for its turn."""
        if self.code is None and time.monotonic() - self.since > 1:
            self.timer.cancel()
            self.timer = self._limit()

    def _limit(self) -> asyncio.TimerHandle:
        return self.loop.call_later(HANDSHAKE, self.end, LATER)

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
        event = {**event, "subprotocol": event.get("subprotocol") or self.subprotocol}
        self.accepting = True
        try:
            await self.server_send(event)
        finally:
            self.accepting = False
        self.timer.cancel()
        self.accepted = True
        tally["opened"] += 1
        for release in self.on_accept:
            self.loop.call_soon(release)  # after what the loop says first
        self.on_accept = self.headers = ()
        if self.code is not None:
            self._cancel()

    async def _close(self, event: Event) -> None:
        """Send a close or a denial; one that the server does not take is none."""
        if self.accepted and event["type"] == "websocket.close":
            code, reason = event.get("code", 1000), event.get("reason") or ""
            check_close(code, reason)
            await server.close(self.server_send, self.protocol, code, reason)
        else:
            await self.server_send(event)
            code = event.get("status", FORBIDDEN)
        self.closed = self.closed or code

    def join(self, kind: str, value: Any) -> None:
        """Put it into a group, as that of a user's connections; end it if that was closed since."""
        key = (kind, str(value))
        self.keys += (key,)
        groups.setdefault(key, set()).add(self)
        for end in [end for key in self.keys for end in recent.get(key, ())]:
            if self.since < end.until and end.whose <= {*self.keys}:
                self.end(end.code, end.reason)

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
        if self.code is None and self in opened:
            self.code, self.reason = code, reason
            self.timer.cancel()
            if self.accepting:  # the client may have it, and would get no close after half of it
                self.timer = self.loop.call_later(AGAIN, self._cancel)
            else:
                self._cancel()

    def _cancel(self) -> None:
        """Cancel; and again if it goes on: `asyncio.wait_for` of Python 3.11 may lose the first."""
        if not (self.ending or self.task.done()):
            self.task.cancel()
            self.timer = self.loop.call_later(AGAIN, self._cancel)

    def forget(self) -> None:
        """Take it out of the registry."""
        self.timer.cancel()
        for key in self.keys:
            self.part(*key)
        opened.discard(self)
        told = self.closed or (self.accepted and (self.code or GONE)) or FORBIDDEN
        tally["closed" if self.accepted else "refused", told] += 1


def register(server_send: Send) -> Connection:
    """Note a connection whose handshake begins, in its own task."""
    loop = asyncio.get_running_loop()
    if loop not in attended:
        attended.add(loop)
        set_tcp_options()
        sweep(loop)
        server.on_shutdown(server.protocol(server_send), drain, shut_down)
    return Connection(server_send)


def sweep(loop: asyncio.AbstractEventLoop) -> None:
    """End those whose client has left, which not every server tells the loop, or whose right."""
    loop.call_later(SWEEP, sweep, loop, context=Context())  # nobody's
    here = open_in(loop)
    for connection in here:
        if server.is_lost(connection.protocol):
            connection.closed = GONE if connection.accepted else FORBIDDEN
            connection.end(STOPPED)
    for look in sweepers:
        look(here)


def open_in(loop: asyncio.AbstractEventLoop) -> list[Connection]:
    """The connections of an event loop."""
    return [connection for connection in list(opened) if connection.loop is loop]


def end_all(whose: dict[str, str], code: int, reason: str, until: float) -> None:
    """End those of all these which began before `until` in this event loop."""
    loop, end = asyncio.get_running_loop(), End(frozenset(whose.items()), code, reason, until)
    for connection in belonging(whose):
        if connection.loop is loop and connection.since < until:
            connection.end(code, reason)
    key = min(end.whose)
    recent.setdefault(key, []).append(end)
    loop.call_later(max(until - time.monotonic(), 0) + REMEMBERED, _forget, key, end)


def end_here(reason: str, seconds: float = 0) -> list[Connection]:
    """End all of this event loop with 1012, spread evenly over so many seconds; return them."""
    loop = asyncio.get_running_loop()
    here = open_in(loop)
    for place, connection in enumerate(here):
        loop.call_later(seconds * place / len(here), connection.end, STOPPED, reason)
    return here


def _forget(key: tuple[str, str], end: End) -> None:
    recent[key].remove(end)
    if not recent[key]:
        del recent[key]


def check_close(code: int, reason: str) -> None:
    """Raise ValueError for a close that RFC 6455 does not allow: sections 7.4 and 5.5."""
    if code not in CLOSE_CODES:
        raise ValueError(f"{code} is no code of a close; a service's own are 4000 to 4999")
    if (size := len(reason.encode())) > 123:
        raise ValueError(f"the reason of a close has at most 123 bytes, not {size}")


def belonging(whose: dict[str, str]) -> "set[Connection]":
    """The connections of all these: {"user_id": "5", "channel": "news"}.

    It costs what it finds, however many are open.
    """
    smallest, *others = sorted((groups.get(key, set()) for key in whose.items()), key=len)
    return smallest.intersection(*others)


def count() -> int:
    """How many connections are open, those in their handshake included."""
    return sum(connection.code is None for connection in list(opened))


def refuses() -> str:
    """Why no more are taken, if so: settings.MAX_CONNECTIONS, or as many as files can be open."""
    full = len(opened) >= min(settings.MAX_CONNECTIONS or files(), files())
    return "the service stops" if stops() else "too many connections" if full else ""


def stops() -> bool:
    """Whether the server stops."""
    return any(not loop.is_closed() for loop in list(stopping))


def unavailable(why: str, status: int = 503) -> HttpResponse:
    """The answer to a handshake that may succeed later."""
    logger.warning("A handshake is refused: %s (%d are open)", why, len(opened))
    body = f"Try again later: {why}.\n"
    return HttpResponse(body, "text/plain", status, headers={"Retry-After": "5"})


def close_all(seconds: float) -> list[Connection]:
    """Take no more connections, and end those that there are."""
    stopping.add(asyncio.get_running_loop())
    return end_here("service restart", seconds)


async def drain() -> None:
    """Close all over settings.DRAIN_SECONDS, unless the server stops already: a second signal."""
    if not stops() and (mine := close_all(settings.DRAIN_SECONDS)):
        await asyncio.wait({connection.task for connection in mine}, timeout=settings.DRAIN_SECONDS)


async def shut_down() -> None:
    """Close all at once. Who does not take it in 2 s is dropped; a loop has 5 s for its end."""
    mine = close_all(0)
    tasks = {connection.task for connection in mine}
    for seconds in (2, 1, 1, 1):
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=seconds)
            for connection in mine:
                if connection.ending:
                    connection.task.cancel()
    await asyncio.sleep(0.1)  # in which the server sends what it still holds
