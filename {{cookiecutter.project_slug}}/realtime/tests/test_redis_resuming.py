"""Clients that come back, and Redis: what is kept there, and what it may lose."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any
from unittest.mock import patch

from realtime import connections
from realtime.broadcast import publish
from realtime.channels import channels
from realtime.closing import CHANNEL, wire
from realtime.testing import WebSocketClient
from realtime.tests import answers, ended, test_resuming
from realtime.tests.test_redis import ROOM, RedisTestCase, until
from realtime.tests.test_resuming import resumed

AGO = 5.0  # seconds since a closing, whose time is known only as well as answers of Redis are fast


class ResumingTests(RedisTestCase, test_resuming.ResumingTests):
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
    """What the processes tell each other when the channel's connections were to be closed."""
    whose = {"channel": channel}
    closing = {"code": 4403, "reason": "gone", "whose": whose, "refuse": 0}
    return wire(closing, time.monotonic() - AGO)
