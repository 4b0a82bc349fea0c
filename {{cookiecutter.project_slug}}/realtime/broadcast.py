"""Broadcast: what one publishes to a channel goes to every client that subscribes to it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import transaction

from realtime import connections
from realtime.connections import STOPPED, current
from realtime.outbox import Outbox, give_way
from realtime.types import Message, PublishError, Receiver, Send

__all__ = ["PublishError", "publish", "publish_on_commit", "subscribe"]
BLOCKED = 15.0  # seconds that another thread waits for an event loop
logger = logging.getLogger(__name__)


@asynccontextmanager
async def subscribe(channel: str, send: Send) -> AsyncIterator[None]:
    """Send every message of the channel to this client, in order, until the block ends.

    `send` is called after the accept only, and nothing that is published from here on is missed,
    however long the accept takes. Publishers wait up to a second for a client that is behind; one
    that does not read is closed with 1013: see `outbox.py`. One that may have missed messages,
    as the connection to Redis was lost, is closed with 1012.
    """
    check_channel(channel)
    here, outbox, owner = channels(), Outbox(channel, send), current.get(None)
    if owner:
        owner.join("channel", channel)
    try:
        await here.add(channel, outbox.put, outbox)
        yield
        await asyncio.sleep(0)  # for what was published last
    finally:
        here.remove(channel, outbox.put)
        if owner:
            owner.part("channel", channel)
        await outbox.stop()


async def publish(channel: str, message: Message) -> None:
    """Send a text (str) or binary (bytes) message to every subscriber in every process.

    Messages of one publisher arrive in order. Raises PublishError if Redis is away.
    """
    check_channel(channel)
    message, here = check(message), per_loop.get(asyncio.get_running_loop())
    if not settings.REDIS_URL:
        elsewhere = list(hand_out_elsewhere(channel, message))
        if here:
            here.hand_out(channel, message)
        for future in elsewhere:
            await asyncio.wrap_future(future)
    elif here and here.redis:
        await here.redis.publish(channel, message)
    else:
        await asyncio.to_thread(publish_from_thread, channel, message)
    await give_way(channel)


def publish_on_commit(channel: str, message: Message, using: str | None = None) -> None:
    """`publish` for synchronous code: once the transaction commits, at once where there is none.

    `using` is the alias of the transaction's database. At once it raises PublishError if Redis is
    away, TimeoutError if the event loop is blocked; after a commit Django logs them.
    """
    check_channel(channel)
    check(message)
    after_commit(lambda: publish_from_thread(channel, message), using)


def publish_from_thread(channel: str, message: Message) -> None:
    """Publish now, to any channel; returns when the message is handed out, or in Redis."""
    if redis := backend():
        redis.publish_from_thread(channel, message)
    else:
        if not connections.serves:
            say_that_nobody_hears()
        hand_out_here(channel, message)


@cache
def say_that_nobody_hears() -> None:
    """Once in a process, such as a command or a task worker."""
    logger.warning("What this process publishes or closes reaches nobody: it needs REDIS_URL.")


def after_commit(function: Callable[[], None], using: str | None = None) -> None:
    """Call the function once the transaction commits, at once where there is none."""
    connection = transaction.get_connection(using)
    if connection.in_atomic_block:
        transaction.on_commit(function, using, robust=True)  # a failure stops no other function
    elif connection.connection and not connection.autocommit:  # by hand: `on_commit` would raise
        connection.run_on_commit.append((set(), function, True))
    else:
        function()


def check_channel(channel: str) -> None:
    """Raise TypeError or ValueError for a name that no channel of the service can have."""
    if not isinstance(channel, str):
        raise TypeError(f"a channel's name is str, not {type(channel).__name__}: {channel!r}")
    if channel.startswith("\0"):
        raise ValueError(f"a channel whose name begins with NUL is the machinery's: {channel!r}")
    channel.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate


def check(message: Message) -> Message:
    """Return the message. Raises TypeError if it is neither text nor binary."""
    if not isinstance(message, (str, bytes)):
        raise TypeError(f"a message is str or bytes, not {type(message).__name__}: {message!r}")
    if isinstance(message, str):
        message.encode()  # raises UnicodeEncodeError, which each `send` would do otherwise
    return message


def backend() -> Any:
    """The module that speaks to Redis, an optional dependency; None without a REDIS_URL."""
    return import_module("realtime.backends.redis") if settings.REDIS_URL else None


class Channels:
    """Who receives which channel in one event loop, and the way to other processes."""

    def __init__(self) -> None:
        self.subscribers: dict[str, dict[Receiver, Outbox | None]] = {}  # None: no client's
        self.redis: Any = None
        if redis := backend():
            self.redis = redis.RedisBackend(self)

    async def add(self, channel: str, receiver: Receiver, outbox: Outbox | None = None) -> None:
        """Let it receive the channel; return when Redis has confirmed that, or is away."""
        self.subscribers.setdefault(channel, {})[receiver] = outbox
        if self.redis:
            await asyncio.shield(self.redis.agree(channel))

    def remove(self, channel: str, receiver: Receiver) -> None:
        """Undo `add`."""
        self.subscribers[channel].pop(receiver)
        if not self.subscribers[channel]:
            del self.subscribers[channel]
            if self.redis:
                self.redis.agree(channel)

    def hand_out(self, channel: str, message: Message) -> None:
        """Give every receiver the event that sends the message."""
        kind = "text" if isinstance(message, str) else "bytes"
        event = {"type": "websocket.send", kind: message}
        for receive in tuple(self.subscribers.get(channel, ())):
            try:
                receive(event)
            except Exception:
                logger.exception("A receiver of the channel %r failed", channel)

    def interrupted(self, lost: float) -> None:
        """End the clients that had subscribed when the way to them was lost: they come back."""
        for outbox in [each for some in self.subscribers.values() for each in some.values()]:
            if outbox and outbox.since < lost:
                outbox.end(STOPPED, "messages may be missing")

    async def deliver(self, channel: str, message: Message) -> None:
        """Hand it out, and wait for clients that are behind."""
        self.hand_out(channel, message)
        await give_way(channel)

    async def close(self) -> None:
        """Leave Redis."""
        if self.redis:
            await self.redis.close()


per_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Channels] = WeakKeyDictionary()


def channels() -> Channels:
    """The channels of the running event loop, made at the first call; closed loops' are dropped."""
    loop = asyncio.get_running_loop()
    if loop not in per_loop:
        for closed in [each for each in list(per_loop) if each.is_closed()]:
            per_loop.pop(closed, None)
        per_loop[loop] = Channels()
    return per_loop[loop]


def hand_out_here(channel: str, message: Message) -> None:
    """Hand a message out in every event loop of this process, from synchronous code."""
    if running():
        channels().hand_out(channel, message)
    for future in list(hand_out_elsewhere(channel, message)):
        future.result(BLOCKED)


def hand_out_elsewhere(channel: str, message: Message) -> Iterator[Future[None]]:
    """Hand it out in the event loops of other threads."""
    here = running()
    for loop, other in list(per_loop.items()):
        if loop is not here and loop.is_running() and channel in other.subscribers:
            yield asyncio.run_coroutine_threadsafe(other.deliver(channel, message), loop)


def running() -> asyncio.AbstractEventLoop | None:
    """The event loop of this thread, if it has one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
