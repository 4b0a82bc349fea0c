"""What waits to be sent: bounded for those that do not read, lossless for those that do."""

import asyncio

import pytest

from realtime.broadcast import publish, subscribe
from realtime.types import Event


async def test_a_subscriber_that_never_reads_is_ended_and_one_that_reads_slowly_is_not() -> None:
    got: list[str] = []
    end = asyncio.Event()

    async def slow(event: Event) -> None:
        await asyncio.sleep(0)
        got.append(event["text"])
        if event["text"] == "end":
            end.set()

    async def stuck(event: Event) -> None:
        await asyncio.Event().wait()

    async def listen() -> None:
        async with subscribe("numbers", stuck):
            await asyncio.Event().wait()

    listener = asyncio.create_task(listen())
    async with asyncio.timeout(10), subscribe("numbers", slow):
        for number in range(3000):
            await publish("numbers", str(number))
        with pytest.raises(asyncio.CancelledError):
            await listener
        await publish("numbers", "end")
        await end.wait()
    assert got == [*map(str, range(3000)), "end"]
