"""Clients that come back, and Redis: what is kept there, and what it may lose."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from realtime import connections
from realtime.broadcast import PublishError, publish, subscribe
from realtime.channels import channels
from realtime.closing import CHANNEL, wire
from realtime.testing import WebSocketClient
from realtime.tests import answers, ended, nowhere, resumed, test_resuming, test_state
from realtime.tests.test_redis import ROOM, RedisTestCase, until
from realtime.types import Event

AGO = 5.0  # seconds since a closing, whose time is known only as well as answers of Redis are fast


class ResumingTests(RedisTestCase, test_resuming.ResumingTests, test_state.StateTests):
    async def test_what_is_kept_ends_by_itself(self) -> None:
        with self.settings(HISTORY_SECONDS=1):
            async with resumed(self.room) as client:
                position = client.position
                await publish(self.channel, "old")
        from realtime.backends.stream import keys

        stream, top = keys(self.channel)
        self.assertEqual(self.redis.ttl(stream), 1)
        self.assertGreater(self.redis.ttl(top), 86_000)
        self.redis.delete(stream)
        async with resumed(self.room, position) as client:
            self.assertEqual(client.gaps, 1)
        async with resumed(self.room, client.position) as client:
            self.assertEqual(client.gaps, 0)

    async def test_a_client_that_comes_from_a_process_which_is_ahead_gets_nothing_twice(
        self,
    ) -> None:
        async with resumed(self.room) as client:
            with patch.object(channels().backend, "_receive"):  # what comes in waits
                await self.say(self.channel, "one")
                await self.say(self.channel, "two")
                epoch, _, offset = client.position.rpartition("-")
                ahead = f"{epoch}-{int(offset) + 1}"
                async with resumed(self.room, ahead) as other:
                    self.assertEqual(await other.message(), "two")
                self.assertEqual([await client.message() for _ in range(2)], ["one", "two"])

    async def test_a_redis_that_has_lost_its_latest_is_a_gap_for_all_once(self) -> None:
        async with resumed(self.room) as client:
            for word in ("one", "two"):
                await publish(self.channel, word)
                self.assertEqual(await client.message(), word)
            from realtime.backends.stream import keys

            _, top = keys(self.channel)
            with self.apart():  # Redis starts again with what it had on the disk
                self.redis.hset(top, mapping={"run": "an older start", "offset": 1})
            gone = client.position
            await client.stand()
            await publish(self.channel, "three")
            self.assertEqual(await client.message(), "three")
            self.assertEqual(client.gaps, 1)
            async with resumed(self.room, gone) as other:
                self.assertEqual(other.gaps, 1)

    async def test_an_answer_that_is_lost_costs_no_message_and_doubles_none(self) -> None:
        from realtime.backends import redis

        async def carry_out_and_lose(backend: Any, commands: list[Any]) -> list[Any]:
            answers = await execute(backend, commands)
            if lost:
                lost.pop()
                raise ConnectionError("cut by the test")
            return answers

        execute, lost = redis.Backend._execute, [True]
        async with resumed(self.room) as client:
            with patch.object(redis.Backend, "_execute", carry_out_and_lose):
                await asyncio.gather(*(publish(self.channel, word) for word in ("one", "two")))
            self.assertFalse(lost)
            await publish(self.channel, "three")
            got = [await client.message() for _ in range(3)]
            self.assertEqual(got, ["one", "two", "three"])


class ClosingTests(RedisTestCase):
    async def test_a_closing_that_was_announced_meanwhile_spares_what_has_begun_since(self) -> None:
        stack = AsyncExitStack()
        async with WebSocketClient(ROOM) as member, WebSocketClient("/rooms/attic/") as other:
            for connection in connections.opened:
                connection.since -= 2 * AGO
            with self.apart():
                await self.say(CHANNEL, closing_of("room.lobby"))
                await until(lambda: channels().backend.error)
                late = await stack.enter_async_context(WebSocketClient(ROOM))
            async with stack, asyncio.timeout(5):
                self.assertEqual(await ended(member), (4403, "gone"))
                self.assertTrue(await answers(late))
                self.assertTrue(await answers(other))

    async def test_where_closings_are_missing_and_gone_all_connections_come_back(self) -> None:
        async with WebSocketClient(ROOM) as client:
            with self.apart(), patch("realtime.backends.CLOSINGS", 1):
                for _ in range(2):
                    await self.say(CHANNEL, closing_of("room.another"))
            with patch("realtime.backends.CLOSINGS", 1):
                self.assertEqual(await ended(client), (1012, "closings may be missing"))


def closing_of(channel: str) -> str:
    """What the processes tell each other when the channel's connections are to be closed."""
    whose = {"channel": channel}
    closing = {"code": 4403, "reason": "gone", "whose": whose, "refuse": 0}
    return wire(closing, time.monotonic() - AGO)


class BeginningTests(RedisTestCase):
    """Clients of a channel whose subscription is slow to begin."""

    def setUp(self) -> None:
        """Have a channel of its own, and note what its client gets."""
        super().setUp()
        self.channel = uuid4().hex
        self.got: asyncio.Queue[str] = asyncio.Queue()

    async def put(self, event: Event) -> None:
        """The client's `send`."""
        await self.got.put(event["text"])

    async def test_who_does_not_wait_for_a_slow_answer_misses_nothing(self) -> None:
        answer = asyncio.Event()

        async def slow(commands: Any) -> Any:
            await answer.wait()
            return await execute(commands)

        async with asyncio.timeout(10), WebSocketClient(ROOM):
            execute = channels().backend._execute
            with (
                patch.object(channels().backend, "_execute", slow),
                patch("realtime.channels.SOON", 0.1),
            ):
                async with subscribe(self.channel, self.put):
                    for word in ("one", "two"):
                        await self.say(self.channel, word)
                    answer.set()
                    self.assertEqual([await self.got.get() for _ in range(2)], ["one", "two"])

    async def test_who_comes_while_a_connection_takes_long_is_subscribed_after_it(self) -> None:
        begun, go = asyncio.Event(), asyncio.Event()

        async def slow(pubsub: Any, *names: bytes) -> None:
            begun.set()
            await go.wait()
            await subscribing(pubsub, *names)

        async with asyncio.timeout(10), WebSocketClient(ROOM):
            from redis.asyncio.client import PubSub

            subscribing = PubSub.subscribe
            with patch("realtime.backends.redis.ANSWER", 0.05):
                with self.apart():
                    await until(lambda: channels().backend.error)
                    slowly = patch.object(PubSub, "subscribe", slow)
                    slowly.start()
                await begun.wait()
                slowly.stop()
                async with subscribe(self.channel, self.put):
                    await asyncio.sleep(0.1)  # longer than an answer may take
                    go.set()
                    await channels().known[self.channel].ready.wait()
                    await publish(self.channel, "hello")
                    self.assertEqual(await self.got.get(), "hello")

    async def test_a_state_is_read_when_what_is_published_comes_in(self) -> None:
        rows, go = ["row 1"], asyncio.Event()

        async def slow(channel: str) -> None:
            await go.wait()
            await agree(channel)

        async def state() -> list[str]:
            return [*rows]

        async def listen() -> None:
            async with subscribe(self.channel, self.put, first=state):
                await asyncio.Event().wait()

        async with asyncio.timeout(10), WebSocketClient(ROOM):
            agree = channels().backend._agree
            with patch.object(channels().backend, "_agree", slow):
                client = asyncio.create_task(listen())
                await until(lambda: self.channel in channels().known)
                await asyncio.sleep(0.01)  # in which it must not be read
                rows.append("row 2")
                await self.say(self.channel, "row 2")
                go.set()
                self.assertEqual([await self.got.get() for _ in range(2)], ["row 1", "row 2"])
                client.cancel()
                await asyncio.wait({client})

    async def test_without_a_history_who_comes_when_another_leaves_stays(self) -> None:
        async def visit() -> None:
            async with subscribe(self.channel, nowhere):
                await asyncio.Event().wait()

        with self.settings(HISTORY_SECONDS=0):
            async with asyncio.timeout(10), WebSocketClient(ROOM):
                for ticks in range(5):  # in which Redis may answer
                    visitor = asyncio.create_task(visit())
                    await asyncio.sleep(0)
                    visitor.cancel()
                    await asyncio.wait({visitor})
                    for _ in range(ticks):
                        await asyncio.sleep(0)
                    async with subscribe(self.channel, self.put):
                        for word in ("one", "two"):
                            await publish(self.channel, word)
                            self.assertEqual(await self.got.get(), word)

    async def test_who_comes_during_an_outage_to_a_room_long_quiet_stays(self) -> None:
        from realtime.backends.stream import keys

        async with asyncio.timeout(10), WebSocketClient("/rooms/attic/"), AsyncExitStack() as stack:
            await self.say("room.quiet", "long ago")
            stream, top = keys("room.quiet")
            self.redis.delete(stream)  # as HISTORY_SECONDS later
            self.redis.hincrby(top, "last", -120_000_000)
            with self.apart():
                await until(lambda: channels().backend.error)
                late = await stack.enter_async_context(WebSocketClient("/rooms/quiet/"))
            await channels().known["room.quiet"].ready.wait()
            await publish("room.quiet", "hello")
            self.assertEqual(await late.receive(), "hello")

    async def test_who_publishes_when_the_channels_end_does_not_wait_for_ever(self) -> None:
        begun = asyncio.Event()

        async def never(commands: Any) -> None:
            begun.set()
            await asyncio.Event().wait()

        async with asyncio.timeout(10), subscribe(self.channel, nowhere):
            with patch.object(channels().backend, "_execute", never):
                publishing = asyncio.create_task(publish(self.channel, "hello"))
                await begun.wait()
                await channels().close()
            with self.assertRaises(PublishError):
                await publishing
