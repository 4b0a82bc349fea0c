"""Channels that go through Redis."""

import asyncio
import os
import socket
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from realtime.broadcast import PublishError, publish, publish_on_commit, subscribe
from realtime.testing import WebSocketClient
from realtime.types import Event
from tests.server import free_port

URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
ROOM = "/ws/rooms/lobby/"


@pytest.fixture
def redis(settings: Settings) -> None:
    """A Redis; without one the test is skipped, but not on CI."""
    where = urlsplit(URL)
    with socket.socket() as client:
        if client.connect_ex((where.hostname or "127.0.0.1", where.port or 6379)):
            missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            missing(f"no Redis at {where.hostname}:{where.port}")
    settings.REDIS_URL = URL


@pytest.mark.usefixtures("redis")
async def test_a_message_through_redis_comes_once_and_in_order() -> None:
    async with WebSocketClient(ROOM) as one, WebSocketClient(ROOM) as other:
        for number in range(100):
            await publish("room.lobby", str(number))
        await publish("room.lobby", b"\0\xff")
        for client in (one, other):
            assert [await client.receive() for _ in range(100)] == [*map(str, range(100))]
            assert await client.receive() == b"\0\xff"


@pytest.mark.usefixtures("redis")
async def test_many_publish_at_once() -> None:
    async with WebSocketClient(ROOM) as client:
        await asyncio.gather(*(publish("room.lobby", str(number)) for number in range(500)))
        assert [await client.receive() for _ in range(500)] == [*map(str, range(500))]


@pytest.mark.usefixtures("redis")
async def test_a_channel_with_a_slow_client_delays_no_other() -> None:
    heard = asyncio.Event()

    async def slow(event: Event) -> None:
        await asyncio.sleep(0.05)

    async def quick(event: Event) -> None:
        heard.set()

    def talk() -> None:
        for _ in range(700):
            publish_on_commit("slow", "word")
        publish_on_commit("quick", "word")

    async with asyncio.timeout(10), subscribe("slow", slow), subscribe("quick", quick):
        await asyncio.to_thread(talk)
        await heard.wait()


async def test_without_redis_publish_raises_and_the_client_stays(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    async with WebSocketClient(ROOM) as client:
        with pytest.raises(PublishError, match="Redis is away"):
            await publish("room.lobby", "hello")
        await client.send("hello")
        assert str(await client.receive()).startswith("Not sent: Redis is away")
