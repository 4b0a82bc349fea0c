"""Channels that go through Redis."""

import os
import socket
from unittest import SkipTest
from urllib.parse import urlsplit

from django.test import SimpleTestCase, override_settings

from realtime.broadcast import PublishError, publish
from realtime.testing import WebSocketClient
from tests.server import free_port

URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
ROOM = "/ws/rooms/lobby/"


@override_settings(REDIS_URL=URL)
class RedisTests(SimpleTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        """Without a Redis the tests are skipped, but not on CI."""
        super().setUpClass()
        where = urlsplit(URL)
        with socket.socket() as client:
            if client.connect_ex((where.hostname or "127.0.0.1", where.port or 6379)):
                missing = AssertionError if os.environ.get("CI") == "true" else SkipTest
                raise missing(f"no Redis at {where.hostname}:{where.port}")

    async def test_a_message_through_redis_comes_once_and_in_order(self) -> None:
        async with WebSocketClient(ROOM) as one, WebSocketClient(ROOM) as other:
            for number in range(100):
                await publish("room.lobby", str(number))
            await publish("room.lobby", b"\0\xff")
            for client in (one, other):
                got = [await client.receive() for _ in range(101)]
                self.assertEqual(got, [*map(str, range(100)), b"\0\xff"])

    async def test_a_client_that_comes_back_hears_again(self) -> None:
        for text in ("first", "second"):
            async with WebSocketClient(ROOM) as client:
                await client.send(text)
                self.assertEqual(await client.receive(), text)


class NoRedisTests(SimpleTestCase):
    async def test_without_redis_publish_raises_and_the_client_stays(self) -> None:
        with self.settings(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"):
            async with WebSocketClient(ROOM) as client:
                with self.assertRaisesRegex(PublishError, "Redis is away"):
                    await publish("room.lobby", "hello")
                await client.send("hello")
                answer = str(await client.receive())
                self.assertTrue(answer.startswith("Not sent: Redis is away"), answer)
