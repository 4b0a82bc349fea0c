"""Back pressure, which daphne does not have by itself."""

import asyncio

from realtime.types import Event, Send


class Paced:
    """A producer, in Twisted's words: it is told to pause while the transport's buffer is full."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.writable = asyncio.Event()
        self.writable.set()

    async def __call__(self, event: Event) -> None:
        await self.send(event)
        await self.writable.wait()

    def pauseProducing(self) -> None:
        self.writable.clear()

    def resumeProducing(self) -> None:
        self.writable.set()

    stopProducing = resumeProducing
