"""Messages that have come from Redis, and wait for clients of this process that are behind."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from realtime.lagging import behind
from realtime.types import Message

LIMIT = 8192  # messages of a channel that wait


class Inbox:
    """Hands on at once, unless the channel has a client that is behind: no other has to wait."""

    def __init__(
        self, give_way: Callable[[str], Awaitable[None]], hand_out: Callable[[str, Message], None]
    ) -> None:
        self.give_way, self.hand_out = give_way, hand_out
        self.waiting: dict[str, deque[Message]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def put(self, channel: str, message: Message) -> None:
        """Take the next message."""
        if waiting := self.waiting.get(channel):
            waiting.append(message)
            if len(waiting) > LIMIT:
                self.hand_out(channel, waiting.popleft())
        elif behind(channel):
            self.waiting[channel] = deque([message])
            task = asyncio.create_task(self.catch_up(channel))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        else:
            self.hand_out(channel, message)

    async def catch_up(self, channel: str) -> None:
        """Hand on what waits, at the pace of the slowest that reads."""
        waiting = self.waiting[channel]
        while waiting:
            await self.give_way(channel)
            self.hand_out(channel, waiting[0])
            waiting.popleft()
        del self.waiting[channel]
