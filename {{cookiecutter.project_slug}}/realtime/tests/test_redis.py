"""Channels that go through Redis."""

import asyncio
import os
import socket
from unittest import SkipTest
from urllib.parse import urlsplit

from django.test import SimpleTestCase, override_settings

from realtime.broadcast import PublishError, publish, publish_on_commit, subscribe
from realtime.testing import WebSocketClient
from realtime.tests import own_settings
from realtime.types import Event

URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
ROOM = "/rooms/lobby/"


@own_settings
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

    async def test_many_publish_at_once(self) -> None:
        async with WebSocketClient(ROOM) as client:
            await asyncio.gather(*(publish("room.lobby", str(number)) for number in range(500)))
            got = [await client.receive() for _ in range(500)]
            self.assertEqual(got, [*map(str, range(500))])

    async def test_a_channel_with_a_slow_client_delays_no_other(self) -> None:
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


@own_settings
class NoRedisTests(SimpleTestCase):
    async def test_without_redis_publish_raises_and_the_client_stays(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]  # at which nobody listens, once it is closed
        with self.settings(REDIS_URL=f"redis://127.0.0.1:{port}/0"):
            async with WebSocketClient(ROOM) as client:
                with self.assertRaisesRegex(PublishError, "Redis is away"):
                    await publish("room.lobby", "hello")
                await client.send("hello")
                answer = str(await client.receive())
                self.assertTrue(answer.startswith("Not sent: Redis is away"), answer)
