"""Within one process: each message is handed to every event loop of it that has subscribers."""

import asyncio
import time
from collections import deque
from concurrent.futures import Future
from secrets import token_hex
from threading import Lock
from typing import Any
from weakref import WeakSet

from django.conf import settings

from realtime.backends import BYTES, KNOWN, Kept, Position, kept
from realtime.types import OWN, Message

BLOCKED = 15.0  # seconds that another thread waits for an event loop
SWEEP = 30.0  # seconds between looks for what has expired
lock = Lock()
histories: "dict[str, History]" = {}
backends: "WeakSet[Backend]" = WeakSet()


class History:
    """What is kept of a channel."""

    def __init__(self) -> None:
        self.top, self.used = Position(token_hex(6), 0), time.monotonic()
        self.messages: deque[tuple[Message, float]] = deque()  # with the time of each
        self.size = 0  # in bytes, or characters

    def expire(self) -> None:
        """Forget messages when nothing was published for HISTORY_SECONDS."""
        if self.used < time.monotonic() - settings.HISTORY_SECONDS:
            self.messages.clear()
            self.size = 0

    def keep(self, message: Message) -> None:
        """Keep it as the latest. The oldest go, of too many or too much."""
        self.top, self.used = Position(self.top.epoch, self.top.offset + 1), time.monotonic()
        self.messages.append((message, self.used))
        self.size += len(message)
        most = BYTES // 2 if self.size > BYTES else self.size
        while len(self.messages) > settings.HISTORY_MESSAGES or self.size > most:
            if len(self.messages) == 1:
                return
            self.size -= len(self.messages.popleft()[0])


class Backend:
    """What is published in this process, for one event loop."""

    error = None

    def __init__(self, channels: Any) -> None:
        self.channels, self.loop = channels, asyncio.get_running_loop()
        backends.add(self)
        self.loop.call_later(SWEEP, sweep, self.loop)

    def agree(self, channel: str) -> None:
        """There is nothing to subscribe to."""
        if channel in self.channels.known:
            self.channels.subscribed(channel)

    async def publish(self, channel: str, message: Message, keep: bool) -> None:
        """Keep it and hand it out."""
        position = record(channel, message, keep)
        elsewhere = hand_out_elsewhere(self.loop, channel, position, message)
        self.channels.receive(channel, position, message)
        for future in elsewhere:
            await asyncio.wrap_future(future)

    async def since(self, channel: str, position: Position | None) -> Kept:
        """What is kept since the position."""
        with lock:
            history, now = history_of(channel), time.monotonic()
            messages = [(message, now - moment) for message, moment in history.messages]
            return kept(channel, position, history.top, messages, now - history.used)


def history_of(channel: str) -> History:
    """The history of the channel, begun with its first use."""
    if (history := histories.get(channel)) is None:
        history = histories[channel] = History()
    history.expire()
    return history


def record(channel: str, message: Message, keep: bool) -> Position | None:
    """Keep the message; its position, None if it is not kept."""
    if not (keep and settings.HISTORY_SECONDS) or channel.startswith(OWN):  # closings reach all
        return None
    with lock:
        history = history_of(channel)
        history.keep(message)
        return history.top


def sweep(loop: asyncio.AbstractEventLoop) -> None:
    """Let what is kept end by itself."""
    loop.call_later(SWEEP, sweep, loop)
    with lock:
        for channel, history in list(histories.items()):
            history.expire()
            if history.used < time.monotonic() - max(KNOWN, settings.HISTORY_SECONDS):
                del histories[channel]


def publish_from_thread(channel: str, message: Message, keep: bool) -> None:
    """Keep it and hand it out, from synchronous code; wait until that is done."""
    position, here = record(channel, message, keep), asyncio._get_running_loop()
    for backend in list(backends):
        if backend.loop is here:
            backend.channels.receive(channel, position, message)
    for future in hand_out_elsewhere(here, channel, position, message):
        future.result(BLOCKED)


def hand_out_elsewhere(here: Any, *message: Any) -> list[Future[None]]:
    """Hand it out in the event loops of other threads: channel, position and message."""
    return [
        asyncio.run_coroutine_threadsafe(backend.channels.deliver(*message), backend.loop)
        for backend in list(backends)
        if backend.loop is not here and backend.loop.is_running()
        if message[0] in backend.channels.known
    ]
