"""Channels that go through Redis."""

import os
import socket
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from realtime.broadcast import PublishError, publish
from realtime.testing import WebSocketClient
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
async def test_a_client_that_comes_back_hears_again() -> None:
    for text in ("first", "second"):
        async with WebSocketClient(ROOM) as client:
            await client.send(text)
            assert await client.receive() == text


async def test_without_redis_publish_raises_and_the_client_stays(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    async with WebSocketClient(ROOM) as client:
        with pytest.raises(PublishError, match="Redis is away"):
            await publish("room.lobby", "hello")
        await client.send("hello")
        assert str(await client.receive()).startswith("Not sent: Redis is away")
