"""Hands messages to those who receive a channel in this process."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from django.conf import settings

from realtime.inbox import Inbox
from realtime.lagging import behind
from realtime.types import Message, Receiver

if TYPE_CHECKING:
    from realtime.redis_link import RedisLink


class Hub:
    """The receivers in one event loop, and its link to Redis."""

    def __init__(self) -> None:
        self.receivers: dict[str, dict[Receiver, None]] = {}
        self.link: RedisLink | None = None
        if settings.REDIS_URL:
            from realtime import redis_link  # redis is an optional dependency

            inbox = Inbox(self.give_way, self.hand_out)
            self.link = redis_link.RedisLink(self.receivers.keys(), inbox.put)

    async def add(self, channel: str, receiver: Receiver) -> None:
        """Let it receive the channel; return when Redis has confirmed that, or is away."""
        self.receivers.setdefault(channel, {})[receiver] = None
        if self.link:
            await asyncio.shield(self.link.start(self.link.subscriptions.agree(channel)))

    def remove(self, channel: str, receiver: Receiver) -> None:
        """Undo `add`."""
        self.receivers[channel].pop(receiver)
        if not self.receivers[channel]:
            del self.receivers[channel]
            if self.link:
                self.link.start(self.link.subscriptions.agree(channel))

    async def deliver(self, channel: str, message: Message, patience: float | None = None) -> None:
        """Hand the message out, once no receiver is behind, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.give_way(channel)
        self.hand_out(channel, message)

    async def give_way(self, channel: str) -> None:
        """Let the event loop send, and wait for receivers that are behind."""
        await asyncio.sleep(0)
        while tasks := behind(channel):
            await asyncio.wait(tasks, timeout=0.1)

    def hand_out(self, channel: str, message: Message) -> None:
        """Give every receiver the event that sends the message."""
        kind = "text" if isinstance(message, str) else "bytes"
        event = {"type": "websocket.send", kind: message}
        for receive in tuple(self.receivers.get(channel, ())):
            receive(event)


hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in hubs:
        hubs[loop] = Hub()
    return hubs[loop]
