"""What waits to be sent to one client."""

import asyncio
import logging
import sys
from collections import deque
from typing import Any

from realtime import server
from realtime.connection import current
from realtime.ending import is_gone
from realtime.types import Event, Send

LIMIT, BEHIND = 1024, 512  # messages that wait; from 512 on, publishers wait for a client
lagging: "set[Outbox]" = set()
EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
logger = logging.getLogger(__name__)


class Outbox:
    """Sends events in order, in a task that lives only while the server makes `send` wait."""

    def __init__(self, channel: str, send: Send) -> None:
        self.channel, self.send = channel, server.paced(send)
        self.loop = asyncio.get_running_loop()
        owner, task = current.get(None), asyncio.current_task()
        self.end: Any = owner.end if owner else lambda *close: task and task.cancel()
        self.events: deque[Event] = deque()
        self.held = True
        self.task: asyncio.Task[None] | None = None
        self.progress = 0.0

    def put(self, event: Event) -> None:
        """Send the event, at once if nothing waits."""
        if self.task is None and not self.held:
            task = asyncio.Task(self.drain(event), loop=self.loop, **EAGER)
            if not task.done():
                self.task, self.progress = task, self.loop.time()
        elif len(self.events) < LIMIT:
            self.events.append(event)
            if len(self.events) == BEHIND:
                lagging.add(self)
        elif self.held:
            self.release()
            self.put(event)
        else:
            self.end(1013, "too slow")

    def release(self) -> None:
        """Send from now on; nothing may be sent before the accept."""
        self.held = False
        if self.events and self.task is None:
            self.put(self.events.popleft())

    async def drain(self, event: Event) -> None:
        """Send the event and those that come meanwhile."""
        try:
            await self.send(event)
            while self.events:
                self.progress = self.loop.time()
                await self.send(self.events.popleft())
        except Exception as error:
            if not is_gone(error):
                logger.exception("A message could not be sent")
                self.end(1011)
            self.events.clear()
        finally:
            self.task = None
            if lagging:  # hardly ever; a broadcast comes here for each client
                lagging.discard(self)

    async def stop(self) -> None:
        """Forget what waits."""
        if self.task:
            self.task.cancel()
            await asyncio.wait({self.task})
        lagging.discard(self)
