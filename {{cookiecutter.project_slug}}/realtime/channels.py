"""The channels of an event loop: who receives what is published, once and in order.

A channel knows the position of its last message. What comes in and is not the next one shows that
something is missing; it is then asked for at the backend, before anything else is handed out.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from functools import cache
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings

from realtime import connections
from realtime.backends import EVERYTHING, Kept, Position, parse
from realtime.connections import STOPPED
from realtime.outbox import BYTES, FULL, MESSAGES, Outbox, give_way
from realtime.resuming import STATE, afresh, marked, plain, standing
from realtime.types import Event, Message, Receiver, size

Listener = Callable[[Message | None, float], None]  # of a message and its age; None if any is gone
SOON = 2.0  # seconds that `subscribe` waits for Redis
logger = logging.getLogger(__name__)


class Channel:
    """A channel in one event loop: who receives it, and which message they had last."""

    def __init__(self, name: str) -> None:
        self.name, self.made = name, asyncio.get_running_loop().time()
        self.members: set[Outbox] = set()
        self.plain: dict[Receiver, Outbox] = {}
        self.resumable: dict[Receiver, Outbox] = {}
        self.listeners: list[Listener] = []  # of the machinery
        self.position: Position | None = None  # of the last message
        self.live = False  # whether what is published comes in
        self.ready = asyncio.Event()  # it does, and nothing before is missing
        self.tried = asyncio.Event()  # it does, or it may take long
        self.late = False  # somebody has not waited for that
        self.later: list[tuple[Position | None, Message]] = []  # came while it catches up
        self.again = False  # catching up has to look once more
        self.catching: asyncio.Task[None] | None = None

    def hand_out(
        self, message: Message, age: float = 0, then: float = math.inf, resumable: bool = True
    ) -> None:
        """Give everyone the message, or who was there `then` and those that resume, if they may."""
        if self.plain:
            self.give([put for put, box in self.plain.items() if box.since <= then], plain(message))
        if self.resumable and resumable:
            self.give([*self.resumable], marked(self.position, message))
        if then >= self.made:
            self.give(self.listeners, message, age)

    def give(self, receivers: Sequence[Callable[..., None]], *given: Any) -> None:
        """Give each of them what is given."""
        for receive in receivers:
            try:
                receive(*given)
            except Exception:
                logger.exception("A receiver of the channel %r failed", self.name)

    def advance(self, position: Position | None, message: Message) -> bool:
        """Hand out what comes next, and no message twice; False if one before it is missing."""
        here = self.position
        if position is None:  # not kept
            if here and not settings.HISTORY_SECONDS:
                self.position = Position(here.epoch, here.offset + 1)
        elif here is None or position.epoch != here.epoch or position.offset > here.offset + 1:
            return False
        elif position.offset <= here.offset:
            return True
        else:
            self.position = position
        self.hand_out(message)
        return True

    def take(self, kept: Kept) -> None:
        """Hand out what was missed. If some is gone, tell those who resume, and end the others."""
        now, number = asyncio.get_running_loop().time(), len(kept.messages)
        whole = not kept.gap or number == kept.top.offset  # or all of a new epoch
        if self.position is None:  # a late first look: all since there are subscribers
            age = kept.messages[0][1] if number else kept.quiet
            whole = whole or now - age < self.made
        for at, (message, age) in enumerate(kept.messages, kept.top.offset - number + 1):
            self.position = Position(kept.top.epoch, at)
            self.hand_out(message, age, now - age if whole else -math.inf, not kept.gap)
        self.position = kept.top
        for box in self.resumable.values() if kept.gap else ():
            for event in afresh(kept.top, True, box.first):
                box.put(event)
        if not whole:
            for box in [*self.plain.values()]:
                box.end(STOPPED, "messages may be missing")
            self.give(self.listeners, None, 0)


class Channels:
    """The channels of one event loop, and the way to other processes."""

    def __init__(self) -> None:
        self.known: dict[str, Channel] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.backend = backend().Backend(self)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it in a task that ends with these channels."""
        nobody = Context()  # what it logs is not said of the client for whom it began
        task = asyncio.create_task(work, context=nobody)
        self.tasks.add(task)
        task.add_done_callback(self._ended, context=nobody)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("What goes on for the channels failed", exc_info=error)

    async def join(self, outbox: Outbox, after: str | None) -> None:
        """Let a client receive the channel; return when it does, or Redis is away."""
        channel = self.channel(outbox.channel)
        channel.members.add(outbox)
        if after is None:
            channel.plain[outbox.put] = outbox
            outbox.held += outbox.first is not None
        else:
            outbox.held += 1
            outbox.opening = self.start(self.open(channel, outbox, after))
        try:
            async with asyncio.timeout(SOON):
                await channel.tried.wait()
                if outbox.opening and channel.ready.is_set():
                    await asyncio.wait({outbox.opening})
        except TimeoutError:
            channel.tried.set()
        if not channel.ready.is_set():
            channel.late = outbox.late = True
        if outbox.first and after is None:  # what is published after the state is read comes in
            outbox.begin([{"type": STATE}])

    def leave(self, outbox: Outbox) -> None:
        """Undo `join`."""
        channel = self.known[outbox.channel]
        channel.members.discard(outbox)
        channel.plain.pop(outbox.put, None)
        channel.resumable.pop(outbox.put, None)
        if outbox.opening:
            outbox.opening.cancel()
        if not (channel.members or channel.listeners):
            del self.known[channel.name]
            self.backend.agree(channel.name)

    def channel(self, name: str) -> Channel:
        """The channel, to which this event loop subscribes with its first use."""
        if name not in self.known:
            self.known[name] = Channel(name)
            if self.backend.error:
                self.known[name].tried.set()
            self.backend.agree(name)
        return self.known[name]

    async def open(self, channel: Channel, outbox: Outbox, after: str) -> None:
        """Let a client that resumes receive the channel, and begin with what it missed.

        It may have come from another process, which is ahead of this one.
        """
        await channel.ready.wait()
        asked = parse(after)
        here = channel.position
        strange = asked and here and (asked.epoch != here.epoch or asked.offset > here.offset)
        if strange and settings.HISTORY_SECONDS:  # else there is nothing to catch up with
            await asyncio.wait({self.catch_up(channel)})  # it goes on if this client leaves
        channel.resumable[outbox.put] = outbox
        here = channel.position
        if not after:
            events = afresh(here, outbox.late, outbox.first)
        else:
            missed = asked and here and await self.missed(channel, asked, here)
            events = missed or afresh(here, True, outbox.first)
        outbox.begin(events)

    async def missed(self, channel: Channel, asked: Position, here: Position) -> list[Event] | None:
        """The events for what came after one position, up to another; None if some is gone."""
        number = here.offset - asked.offset
        if asked.epoch != here.epoch or number < 0:
            return None
        kept = await self.backend.since(channel.name, asked) if number else None
        messages = [message for message, _ in kept.messages[:number]] if kept else []
        if (kept and kept.gap) or len(messages) < number:
            return None
        events = [standing(asked)]
        for at, message in enumerate(messages, asked.offset + 1):
            events.append(marked(Position(here.epoch, at), message))
        too_much = len(events) > FULL * MESSAGES or sum(map(size, events)) > FULL * BYTES
        return None if too_much else events

    def subscribed(self, name: str) -> None:
        """What is published to the channel comes in from here on: look at what came before."""
        if channel := self.known.get(name):
            channel.live = True
            if not channel.ready.is_set():
                channel.tried.clear()
            self.catch_up(channel)

    def receive(self, name: str, position: Position | None, message: Message) -> None:
        """Hand out what comes in; if something before it is missing that first."""
        if not (channel := self.known.get(name)):
            return
        if channel.catching:
            channel.later.append((position, message))
        elif not channel.advance(position, message):
            self.catch_up(channel)

    def catch_up(self, channel: Channel) -> asyncio.Task[None]:
        """Hand out what the channel has missed until now."""
        channel.again = True
        channel.catching = channel.catching or self.start(self._catch_up(channel))
        return channel.catching

    async def _catch_up(self, channel: Channel) -> None:
        try:
            while channel.again:
                channel.again = False
                since = channel.position or (EVERYTHING if channel.late else None)
                kept = await self.backend.since(channel.name, since)
                if channel.late and not since:  # somebody has not waited for the answer
                    channel.again = True
                    continue
                channel.take(kept)
                later, channel.later = channel.later, []
                channel.again |= not all([channel.advance(*each) for each in later])
            channel.late = False
        finally:
            channel.catching = None
        if channel.live:
            channel.ready.set()
            channel.tried.set()

    def cut(self) -> None:
        """Nothing comes in any more, until `subscribed`."""
        for channel in self.known.values():
            channel.live = False
            channel.ready.clear()
            channel.tried.clear()

    def away(self) -> None:
        """It may take long until something comes in: nobody has to wait for it."""
        for channel in self.known.values():
            channel.tried.set()
            channel.late |= bool(channel.listeners)

    async def deliver(self, name: str, position: Position | None, message: Message) -> None:
        """Hand it out, and wait for clients that are behind."""
        self.receive(name, position, message)
        await give_way(name)

    async def close(self) -> None:
        """Leave Redis, even if redis-py loses a cancellation."""
        while tasks := tuple(self.tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)


per_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Channels] = WeakKeyDictionary()


def channels() -> Channels:
    """The channels of the running event loop, made at the first call; closed loops' are dropped."""
    loop = asyncio.get_running_loop()
    if loop not in per_loop:
        for closed in [each for each in list(per_loop) if each.is_closed()]:
            per_loop.pop(closed, None)
        per_loop[loop] = Channels()
    return per_loop[loop]


def backend() -> Any:
    """The module that passes messages on: through Redis, or within this process."""
    return import_module(f"realtime.backends.{'redis' if settings.REDIS_URL else 'memory'}")


def publish_from_thread(channel: str, message: Message, keep: bool = True) -> None:
    """Publish now, to any channel; returns when the message is handed out, or in Redis."""
    if not (settings.REDIS_URL or connections.serves):
        say_that_nobody_hears()
    backend().publish_from_thread(channel, message, keep)


@cache
def say_that_nobody_hears() -> None:
    """Once in a process, such as a command or a task worker."""
    logger.warning("What this process publishes or closes reaches nobody: it needs REDIS_URL.")
