"""Channels that go through Redis."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext, suppress
from typing import Any
from unittest import SkipTest
from unittest.mock import patch
from urllib.parse import urlsplit

from django.test import Client, SimpleTestCase, override_settings

from realtime.broadcast import PublishError, publish, publish_on_commit, subscribe
from realtime.channels import channels, per_loop
from realtime.testing import WebSocketClient
from realtime.tests import answers, ended, nowhere, own_settings
from realtime.types import Event

URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
NAME = f"tests-{os.getpid()}"  # of this process's connections
ROOM = "/rooms/lobby/"


@override_settings(REDIS_URL=f"{URL}?client_name={NAME}")  # outside, or there would be none
@own_settings
class RedisTestCase(SimpleTestCase):
    redis: Any

    @classmethod
    def setUpClass(cls) -> None:
        """Without a Redis the tests are skipped, but not on CI."""
        super().setUpClass()
        where = urlsplit(URL)
        with socket.socket() as client:
            if client.connect_ex((where.hostname or "127.0.0.1", where.port or 6379)):
                missing = AssertionError if os.environ.get("CI") == "true" else SkipTest
                raise missing(f"no Redis at {where.hostname}:{where.port}")
        from redis import Redis

        cls.redis = Redis.from_url(URL)
        cls.addClassCleanup(cls.redis.close)

    def setUp(self) -> None:
        """Have a client that was made for these settings."""
        super().setUp()
        from realtime.backends import stream

        for made in (stream.client, stream.prefix):
            made.cache_clear()
            self.addCleanup(made.cache_clear)

    def connections(self, kind: str) -> list[Any]:
        """The ids of this process's connections: "normal" ones or "pubsub"."""
        listed = self.redis.client_list(kind)
        return [each["id"] for each in listed if each["name"] == NAME]

    def kill(self, kind: str) -> None:
        """Close these connections, at the side of Redis."""
        killed = self.connections(kind)
        self.assertTrue(killed, f"no {kind} connection")
        for connection in killed:
            self.redis.client_kill_filter(_id=connection)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Cut this process from what is published."""
        listen = "realtime.backends.redis.Backend._listen"
        with patch(listen, side_effect=ConnectionError("cut by the test")):
            self.kill("pubsub")
            yield

    async def say(self, channel: str, message: str) -> None:
        """Publish as another process does."""
        from realtime.backends import redis

        await asyncio.to_thread(redis.publish_from_thread, channel, message, True)


class RedisTests(RedisTestCase):
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

    async def test_nonsense_in_redis_and_a_receiver_that_raises_stop_nothing(self) -> None:
        from realtime.backends.stream import name

        def fail(message: object, age: float) -> None:
            raise RuntimeError("a receiver failed")

        async with WebSocketClient(ROOM) as client:
            here, place = channels(), name("room.lobby")
            here.channel("broken").listeners.append(fail)
            await here.known["broken"].ready.wait()
            with self.assertLogs("realtime", "ERROR") as logs:
                for nonsense in (b"t\xff", b"", b"x is no kind"):
                    await asyncio.to_thread(self.redis.publish, place, nonsense)
                await publish("broken", "word")
                await publish("room.lobby", "hello")
                self.assertEqual(await client.receive(), "hello")
            del here.known["broken"]
        self.assertEqual(len(logs.records), 4, logs.output)

    def test_two_databases_of_a_redis_have_channels_of_their_own(self) -> None:
        from realtime.backends import stream

        names = []
        for number in (0, 1):
            stream.client.cache_clear()
            stream.prefix.cache_clear()
            with self.settings(REDIS_URL=f"redis://127.0.0.1:6379/{number}"):
                names.append(stream.name("news"))
        self.assertNotEqual(*names)

    def test_a_loop_leaves_nothing_behind(self) -> None:
        async def visit() -> None:
            async with subscribe("news", nowhere):
                await publish("news", "hello")

        for _ in range(5):
            asyncio.run(visit())
        self.assertLessEqual(sum(loop.is_closed() for loop in per_loop), 1)
        self.assertEqual(self.connections("normal") + self.connections("pubsub"), [])


class LossTests(RedisTestCase):
    async def test_connections_that_redis_has_closed_cost_no_message(self) -> None:
        async with WebSocketClient(ROOM) as client:
            await publish("room.lobby", "first")
            await asyncio.to_thread(publish_on_commit, "room.lobby", "second")
            await asyncio.to_thread(self.kill, "normal")
            await publish("room.lobby", "third")
            await asyncio.to_thread(publish_on_commit, "room.lobby", "fourth")
            for expected in ("first", "second", "third", "fourth"):
                self.assertEqual(await client.receive(), expected)

    async def test_a_connection_that_was_idle_is_tried_before_it_is_published_on(self) -> None:
        async with WebSocketClient(ROOM) as client:
            await publish("room.lobby", "first")
            with patch("realtime.backends.redis.IDLE", 0):
                self.kill("normal")  # without an await, so that nobody sees the end
                await publish("room.lobby", "second")
            for expected in ("first", "second"):
                self.assertEqual(await client.receive(), expected)

    async def test_what_is_published_while_the_subscription_is_lost_comes_after_it(self) -> None:
        async with WebSocketClient(ROOM) as member, WebSocketClient("/rooms/attic/") as other:
            for word in ("one", "two"):
                with self.apart():
                    await self.say("room.lobby", word)
                self.assertEqual(await member.receive(), word)
            await publish("room.lobby", "three")
            await publish("room.attic", "mine")
            self.assertEqual(await member.receive(), "three")
            self.assertEqual(await other.receive(), "mine")

    async def test_who_has_missed_what_is_kept_no_more_is_told(self) -> None:
        from redis.exceptions import NoPermissionError

        not_permitted = patch("redis.asyncio.Redis.info", side_effect=NoPermissionError)
        for info in (nullcontext(), not_permitted):
            with info, self.settings(HISTORY_MESSAGES=2):
                async with WebSocketClient(ROOM) as member, WebSocketClient("/ws/") as other:
                    await publish("room.lobby", "before")
                    self.assertEqual(await member.receive(), "before")
                    with self.apart():
                        for number in range(3):
                            await self.say("room.lobby", str(number))
                    self.assertEqual(await ended(member), (1012, "messages may be missing"))
                    self.assertTrue(await answers(other))

    async def test_who_comes_when_the_subscription_is_lost_misses_nothing_and_stays(self) -> None:
        for others in (WebSocketClient(ROOM), nullcontext()):
            async with others, WebSocketClient("/rooms/attic/"), asyncio.timeout(10):
                await self.say("room.lobby", "long ago")
                await asyncio.sleep(0.3)  # longer than an answer of Redis, which blurs its time
                stack = AsyncExitStack()
                with self.apart():
                    await until(lambda: channels().backend.error)
                    late = await stack.enter_async_context(WebSocketClient(ROOM))
                    await self.say("room.lobby", "hello")
                async with stack:
                    self.assertEqual(await late.receive(), "hello")
                    await publish("room.lobby", "again")
                    self.assertEqual(await late.receive(), "again")

    async def test_a_redis_that_was_itself_restarted_costs_no_connection(self) -> None:
        from realtime.backends.stream import keys

        async with WebSocketClient(ROOM) as client:
            await publish("room.lobby", "before")
            await asyncio.to_thread(self.kill, "pubsub")
            await asyncio.to_thread(self.redis.delete, *keys("room.lobby"))  # its own
            await until(lambda: channels().backend.error)
            await publish("room.lobby", "after")
            self.assertEqual([await client.receive() for _ in range(2)], ["before", "after"])

    async def test_a_cancellation_that_redis_py_loses_does_not_keep_the_link(self) -> None:
        with losing():
            async with subscribe("news", nowhere), asyncio.timeout(5):
                await channels().close()

    async def test_closing_goes_on_until_each_task_has_ended(self) -> None:
        async def stubborn() -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()

        async with subscribe("news", nowhere), asyncio.timeout(5):
            channels().start(stubborn())
            await asyncio.sleep(0)  # it has begun
            await channels().close()

    def test_a_cancellation_that_redis_py_loses_does_not_keep_the_loop(self) -> None:
        async def visit() -> None:
            async with subscribe("news", nowhere):
                await publish("news", "hello")

        with losing():
            thread = threading.Thread(target=asyncio.run, args=(visit(),), daemon=True)
            thread.start()
            thread.join(5)
            self.assertFalse(thread.is_alive(), "the event loop has not ended in 5 s")


async def until(happened: Callable[[], object]) -> None:
    """Wait for something that nothing announces."""
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0)


def losing() -> Any:
    """Let redis-py lose a cancellation while it waits for a message, as on Python 3.11 it may."""
    from redis.asyncio.client import PubSub

    get_message, lost = PubSub.get_message, list[bool]()

    async def lose(pubsub: Any, **options: Any) -> Any:
        try:
            return await get_message(pubsub, **options)
        except asyncio.CancelledError:
            if lost:
                raise
            lost.append(True)
            return {"type": "pong"}

    return patch.object(PubSub, "get_message", lose)


@own_settings
class NoRedisTests(SimpleTestCase):
    @override_settings(REDIS_URL="redis://127.0.0.1:9/0")  # at which nobody listens
    def test_without_redis_the_service_is_not_ready(self) -> None:
        answer = Client().get("/readyz")
        self.assertEqual(answer.status_code, 503)
        self.assertIn("redis", answer.json()["wrong"])

    async def test_without_redis_publish_raises_and_the_client_stays(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]  # at which nobody listens, once it is closed
        with self.settings(REDIS_URL=f"redis://127.0.0.1:{port}/0"):
            async with WebSocketClient(ROOM) as client:
                with self.assertRaisesRegex(PublishError, "^Redis is away$") as raised:
                    await publish("room.lobby", "hello")
                self.assertIn(str(port), str(raised.exception.__cause__))
                await client.send("hello")
                self.assertEqual(await client.receive(), "Not sent: Redis is away")
