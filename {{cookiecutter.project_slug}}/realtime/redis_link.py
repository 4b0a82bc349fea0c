"""The link of one event loop to Redis: a subscribed connection, made again whenever it is lost."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from random import uniform
from typing import Any
from weakref import WeakSet

from realtime import redis_wire as wire
from realtime.redis_subscriptions import Subscriptions
from realtime.types import Message

Deliver = Callable[[str, Message], None]
links: "WeakSet[RedisLink]" = WeakSet()
logger = logging.getLogger(__name__)
PAUSE, LONGEST_PAUSE = 0.05, 0.4  # seconds between attempts to connect
RECOVERY = 1.0  # seconds after which the other processes have subscribed again, too


class RedisLink:
    """Subscribes to the wanted channels and hands on what comes; `error` says why if it cannot."""

    def __init__(self, wanted: Collection[str], deliver: Deliver) -> None:
        self.subscriptions, self.deliver = Subscriptions(wanted), deliver
        self.client, self.loop = wire.async_client(), asyncio.get_running_loop()
        self.error = ""
        self.outgoing: list[Any] = []  # names, messages and futures of their outcome
        self.tasks: set[asyncio.Task[None]] = set()
        self.start(self.run())
        links.add(self)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it in a task of this link, where no client's cancellation reaches it."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def run(self) -> None:
        """Listen; when the connection is lost, connect again."""
        pause = PAUSE
        async with self.client:
            while True:
                try:
                    await self.listen()
                except Exception as error:
                    if not self.error:
                        logger.error("Redis is away, and nothing can be published: %s", error)
                    self.error = f"Redis is away: {error}"
                pause = min(2 * pause, LONGEST_PAUSE) if not self.subscriptions.pubsub else PAUSE
                self.subscriptions.end()
                await asyncio.sleep(uniform(pause / 2, pause))  # noqa: S311

    async def listen(self) -> None:
        """Subscribe, and hand on messages until the connection is lost."""
        async with self.client.pubsub() as pubsub:
            await self.subscriptions.begin(pubsub)
            self.start(self.recover(pubsub))
            async for channel, message in self.subscriptions.messages():
                self.deliver(channel, message)
                await asyncio.sleep(0)  # the clients are sent to meanwhile

    async def recover(self, pubsub: Any) -> None:
        """Let `publish` succeed: at once, or after a failure when every process hears it."""
        for confirmed in list(self.subscriptions.asked.values()):
            await confirmed.wait()
        await asyncio.sleep(RECOVERY if self.error else 0)
        if pubsub is self.subscriptions.pubsub:
            if self.error:
                logger.info("Redis is back")
            self.error = ""
            self.subscriptions.tried.set()

    async def close(self) -> None:
        """End the link."""
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
