"""What waits to be sent to one client, and how long others wait for it.

A client is behind when 1,024 messages or 4 MiB wait for it. Who publishes then waits for it, up to
a second, as long as it takes something every two seconds. If it does not, or if 8,192 messages or
32 MiB wait, it is closed with 1013 (IANA's "try again later").
"""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

from realtime import server
from realtime.connections import current, tally
from realtime.types import Event, Send, size

MESSAGES, BYTES = 1024, 4 << 20  # that wait for a client which is behind
FULL = 8  # times as much ends it, even one that reads
SILENCE = 2.0  # seconds without progress after which a client that is behind does not read
SLOWEST = 250_000  # bytes a second that one takes which reads a long message
PATIENCE = 1.0  # seconds that `publish` waits for clients that are behind
behind: "set[Outbox]" = set()
EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
logger = logging.getLogger(__name__)


class Outbox:
    """Sends events in order, in a task that lives only while the server makes `send` wait.

    Nothing is sent before the accept: until then the events wait here.
    """

    __slots__ = (
        *("channel", "due", "end", "events", "first", "held", "late", "loop", "opening", "over"),
        *("protocol", "send", "since", "size", "task", "write"),
    )

    def __init__(self, channel: str, send: Send) -> None:
        self.channel, self.send = channel, send
        self.loop = asyncio.get_running_loop()
        self.since = self.loop.time()
        owner, task = current.get(None), asyncio.current_task()
        self.end: Any = owner.end if owner else lambda *close: task and task.cancel()
        self.events: deque[Event] = deque()
        self.size = 0  # bytes, or characters, in the events
        self.due = 0.0  # when the client should have taken what is under way
        self.over = False
        self.task: asyncio.Task[None] | None = None
        self.held = int(owner is not None and not owner.accepted)  # by how many
        self.first: Any = None  # what reads a state, of a client that gets one
        self.late = False  # its loop has gone on without knowing where the channel stands
        self.opening: asyncio.Task[None] | None = None  # looks for what the client has missed
        self.protocol = owner.protocol if owner else None
        self.write: Callable[[Event], bool] | None = None  # sends at once, where that can be
        if owner and send == owner.send:  # which only notes other events
            self.send = owner.server_send
            self.write = owner.write
        if owner and self.held:
            owner.on_accept += (self.release,)

    def put(self, event: Event) -> None:
        """Send the event, at once if nothing waits."""
        if self.task or self.held:
            self._keep(event)
        elif not self.over:
            if self.write and not self.events and self._write(event):
                tally["delivered"] += 1
                return
            task = asyncio.Task(self._drain(event), loop=self.loop, **EAGER)
            if not task.done():
                self.task, self.due = task, self._due(event)

    def _write(self, event: Event) -> bool:
        """Whether the event was sent at once. If that fails, the server's own `send` says why."""
        try:
            return bool(self.write and self.write(event))
        except Exception:
            return False

    def _keep(self, event: Event) -> None:
        if self.over:
            return
        self.events.append(event)
        self.size += size(event)
        waiting = len(self.events)
        too_much = waiting > FULL * MESSAGES or (self.size > FULL * BYTES and waiting > 1)
        if not self.held and (waiting >= MESSAGES or self.size >= BYTES):
            behind.add(self)
            too_much = too_much or self.is_stuck()
        if too_much:
            self.give_up()

    def begin(self, events: list[Event]) -> None:
        """Release it: these are sent before all that waits."""
        self.events.extendleft(reversed(events))
        self.size += sum(map(size, events))
        self.release()

    def release(self) -> None:
        """Send from now on, if nothing else holds it."""
        self.held -= 1
        if self.events and not (self.held or self.over or self.task):
            self.put(self._next())

    def _next(self) -> Event:
        event = self.events.popleft()
        self.size -= size(event)
        return event

    async def _drain(self, event: Event) -> None:
        """Send the event and those that come meanwhile."""
        try:
            await self.send(event)
            tally["delivered"] += 1
            while self.events:
                event = self._next()
                self.due = self._due(event)
                await self.send(event)
                tally["delivered"] += 1
        except Exception as error:
            if not server.is_gone(error, self.protocol):  # said in nobody's name: see logs.py
                Context().run(logger.exception, "A message could not be sent")
                self.end(1011)
            self._forget()
        finally:
            self.task = None
            if behind:  # hardly ever; a broadcast comes here for each client
                behind.discard(self)

    def is_stuck(self) -> bool:
        """Whether the client has taken nothing for two seconds, or longer for a long message."""
        return self.due < self.loop.time() - SILENCE

    def _due(self, event: Event) -> float:
        return self.loop.time() + size(event) / SLOWEST

    def give_up(self) -> None:
        """Close the connection of a client that takes too little."""
        tally["slow"] += 1
        self._forget()
        self.end(1013, "too slow")

    def _forget(self) -> None:
        self.over = True
        self.events.clear()
        behind.discard(self)

    async def finish(self) -> None:
        """Wait until what waits is sent, up to a second."""
        if self.task and not self.over:
            await asyncio.wait({self.task}, timeout=PATIENCE)

    async def stop(self) -> None:
        """Send no more; forget what waits."""
        self._forget()
        if self.task:
            self.task.cancel()
            await asyncio.wait({self.task})


async def give_way(channel: str) -> None:
    """Let the event loop send, and wait up to a second for clients that are behind."""
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE if behind else 0.0
    while tasks := tasks_behind(channel, loop) if behind else ():
        if (rest := until - loop.time()) <= 0:
            return
        await asyncio.wait(tasks, timeout=min(rest, 0.1))


def tasks_behind(channel: str, loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[None]]:
    """The tasks that send to those who are behind; who does not read is closed."""
    slow = [outbox for outbox in list(behind) if outbox.channel == channel and outbox.loop is loop]
    for outbox in slow:
        if outbox.is_stuck():
            outbox.give_up()
    return [outbox.task for outbox in slow if outbox.task and not outbox.over]
