"""To which channels a connection to Redis is subscribed."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from typing import Any

from realtime import redis_wire as wire
from realtime.types import Message

ALIVE = "realtime.alive"  # subscribed to at any rate: Redis takes no empty list
SILENCE, ANSWER = 10.0, 2.0  # seconds until Redis is pinged, and for it to answer


class Subscriptions:
    """Keeps the subscriptions of one connection after another in step with what is wanted."""

    def __init__(self, wanted: Collection[str]) -> None:
        self.wanted = wanted
        self.pubsub: Any = None
        self.asked: dict[str, asyncio.Event] = {}  # set once Redis has confirmed the channel
        self.lock = asyncio.Lock()  # SUBSCRIBE and UNSUBSCRIBE have to go out in order
        self.tried = asyncio.Event()  # to connect, for the first time

    async def begin(self, pubsub: Any) -> None:
        """Subscribe on a new connection."""
        async with self.lock:
            self.asked = {channel: asyncio.Event() for channel in (ALIVE, *self.wanted)}
            await pubsub.subscribe(*map(wire.name, self.asked))
            self.pubsub = pubsub

    def end(self) -> None:
        """Note that the connection is lost; nobody has to wait for it."""
        self.pubsub = None
        self.tried.set()
        for confirmed in self.asked.values():
            confirmed.set()

    async def messages(self) -> AsyncIterator[tuple[str, Message]]:
        """What comes, with its channel. Raises what `wire.FAILURES` lists when nothing comes."""
        while pubsub := self.pubsub:
            if (message := await pubsub.get_message(timeout=SILENCE)) is None:
                await pubsub.ping()
                message = await pubsub.get_message(timeout=ANSWER)
            match message:
                case {"type": "message", "channel": name, "data": data}:
                    yield wire.channel(name), wire.decode(data)
                case {"type": "subscribe", "channel": name}:
                    if confirmed := self.asked.get(wire.channel(name)):
                        confirmed.set()
                case None:
                    raise TimeoutError("no answer to a ping")

    async def agree(self, channel: str) -> None:
        """Subscribe or unsubscribe, as is wanted; return when Redis has confirmed, or is away."""
        with suppress(*wire.FAILURES):
            async with asyncio.timeout(ANSWER):
                await self.tried.wait()
                await self._tell(channel)
                if confirmed := self.asked.get(channel):
                    await confirmed.wait()

    async def _tell(self, channel: str) -> None:
        async with self.lock:
            if self.pubsub is None:
                return
            if channel in self.wanted and channel not in self.asked:
                self.asked[channel] = asyncio.Event()
                await self.pubsub.subscribe(wire.name(channel))
            elif channel not in self.wanted and channel in self.asked:
                self.asked.pop(channel).set()
                await self.pubsub.unsubscribe(wire.name(channel))
