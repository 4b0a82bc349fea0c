"""Clients that come back with the position they had come to. With Redis: see test_redis.py."""

import asyncio
import time
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from django.test import SimpleTestCase

from realtime.backends import memory
from realtime.broadcast import publish, subscribe
from realtime.channels import channels
from realtime.resuming import RS
from realtime.testing import WebSocketClient
from realtime.tests import answers, nowhere, own_settings, resumed
from realtime.types import Message


@own_settings
class ResumingTests(SimpleTestCase):
    def setUp(self) -> None:
        """Have a room of its own."""
        super().setUp()
        self.room = uuid4().hex
        self.channel = f"room.{self.room}"

    async def test_who_comes_back_gets_what_it_missed_and_then_what_comes(self) -> None:
        said: list[Message] = ["one", "", f"with {RS} in it", b"\0\xff", f"{RS}!x"]
        async with resumed(self.room) as client:
            begin = client.position
            await publish(self.channel, "zero")
            self.assertEqual(await client.message(), "zero")
            position = client.position
        for message in said:
            await publish(self.channel, message)
        for after, missed in ((position, said), (begin, ["zero", *said])):
            async with resumed(self.room, after) as client:
                self.assertEqual((client.position, client.gaps), (after, 0))
                await publish(self.channel, "now")
                self.assertEqual([await client.message() for _ in missed], missed)
                self.assertEqual(await client.message(), "now")
            said = [*said, "now"]

    async def test_who_has_missed_nothing_gets_nothing_twice(self) -> None:
        async with resumed(self.room) as stays, resumed(self.room) as leaves:
            await publish(self.channel, "one")
            for client in (stays, leaves):
                self.assertEqual(await client.message(), "one")
            async with resumed(self.room, leaves.position) as back:
                self.assertEqual((back.position, back.gaps), (leaves.position, 0))
                await publish(self.channel, "two")
                for client in (stays, back):
                    self.assertEqual(await client.message(), "two")

    async def test_plain_clients_get_bare_messages_and_a_loops_own_are_never_marked(self) -> None:
        async with WebSocketClient(f"/rooms/{self.room}/") as plain, resumed(self.room) as client:
            await publish(self.channel, "hello")
            self.assertEqual(await plain.receive(), "hello")
            self.assertEqual(await client.message(), "hello")
            self.assertTrue(await answers(client.client))

    async def test_a_gap_is_told_once_and_no_part_of_what_was_missed_is_sent(self) -> None:
        async with resumed(self.room) as client:
            position = client.position
        with self.settings(HISTORY_MESSAGES=2):
            for number in range(3):
                await publish(self.channel, str(number))
            async with resumed(self.room, position) as client:
                self.assertEqual(client.gaps, 1)
                await publish(self.channel, "now")
                self.assertEqual(await client.message(), "now")
                position = client.position
            async with resumed(self.room, position) as client:
                self.assertEqual((client.gaps, client.position), (0, position))

    async def test_a_position_that_is_none_of_the_channels_is_a_gap(self) -> None:
        async with resumed(self.room) as client:
            epoch, _, _ = client.position.rpartition("-")
        strange = ("x", "-", "1-", "-1", "1-1", f"{epoch}-5", f"{epoch}-x", f"{epoch}-{'9' * 60}")
        for after in strange:
            with self.subTest(after):
                async with resumed(self.room, after) as client:
                    self.assertEqual(client.gaps, 1)
                    await publish(self.channel, "now", keep=False)
                    self.assertEqual(await client.message(), "now")

    async def test_what_is_not_kept_goes_to_those_who_are_there(self) -> None:
        async with resumed(self.room) as client:
            position = client.position
            await publish(self.channel, "passing", keep=False)
            self.assertEqual(await client.message(), "passing")
            self.assertEqual(client.position, position)
        await publish(self.channel, "missed", keep=False)
        await publish(self.channel, "kept")
        async with resumed(self.room, position) as client:
            self.assertEqual(await client.message(), "kept")

    async def test_without_a_history_each_return_after_a_message_is_a_gap(self) -> None:
        with self.settings(HISTORY_SECONDS=0):
            async with resumed(self.room) as stays:
                async with resumed(self.room) as client:
                    position = client.position
                async with resumed(self.room, position) as client:
                    self.assertEqual((client.position, client.gaps), (position, 0))
                await publish(self.channel, "missed")
                self.assertEqual(await stays.message(), "missed")  # it has come from Redis
                self.assertEqual(stays.gaps, 0)
                async with resumed(self.room, position) as client:
                    self.assertEqual(client.gaps, 1)
            async with resumed(self.room, position) as client:
                self.assertEqual(client.gaps, 1)

    async def test_who_leaves_before_it_has_begun_keeps_nobody_else_from_what_it_missed(
        self,
    ) -> None:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def ask(*asked_for: Any) -> Any:
            asked.set()
            await answer.wait()
            return await since(*asked_for)

        async def visit() -> None:
            async with subscribe(self.channel, nowhere, "strange-1"):
                await asyncio.Event().wait()

        async with asyncio.timeout(10), resumed(self.room) as client:
            here, since = channels(), channels().backend.since
            with patch.object(here.backend, "since", ask):
                visitor = asyncio.create_task(visit())
                await asked.wait()
                here.cut()
                here.subscribed(self.channel)
                await publish(self.channel, "hello")
                visitor.cancel()
                await asyncio.wait({visitor})
                answer.set()
                self.assertEqual(await client.message(), "hello")
                await here.known[self.channel].ready.wait()

    async def test_without_a_history_a_strange_position_disturbs_nobody_else(self) -> None:
        with self.settings(HISTORY_SECONDS=0):
            path = f"/rooms/{self.room}/"
            async with WebSocketClient(path) as plain, resumed(self.room) as client:
                async with resumed(self.room, "strange-1") as other:
                    self.assertEqual(other.gaps, 1)
                await publish(self.channel, "hello")
                self.assertEqual(await plain.receive(), "hello")
                self.assertEqual(await client.message(), "hello")

    async def test_more_than_an_outbox_holds_is_a_gap(self) -> None:
        async with resumed(self.room) as client:
            position = client.position
        for _ in range(3):
            await publish(self.channel, "x" * 100)
        for bounds, gaps in (({"MESSAGES": 2}, 1), ({"BYTES": 200}, 1), ({}, 0)):
            patched: Any = {"FULL": 1, **bounds}
            with patch.multiple("realtime.channels", **patched):
                async with resumed(self.room, position) as client:
                    self.assertEqual(client.gaps, gaps)

    async def test_of_much_the_latest_is_kept(self) -> None:
        async with resumed(self.room) as client:
            first = client.position
            for number in range(12):
                await publish(self.channel, f"{number:02}" * (1 << 19))
                await client.message()
                if number == 9:
                    latest = client.position
        async with resumed(self.room, latest) as client:
            self.assertEqual([(await client.message())[:2] for _ in range(2)], ["10", "11"])
        async with resumed(self.room, first) as client:
            self.assertEqual(client.gaps, 1)

    async def test_many_that_come_back_while_others_publish_get_everything_in_order(self) -> None:
        async def talk() -> None:
            for number in range(300):
                await publish(self.channel, str(number))
                if number % 10 == 0:
                    await asyncio.sleep(0.001)

        async def come_and_go(times: int) -> list[Message]:
            got: list[Message] = []
            after = begin
            while got[-1:] != ["299"]:
                async with resumed(self.room, after) as client:
                    self.assertEqual(client.gaps, 0)
                    for _ in range(times):
                        if got[-1:] != ["299"]:
                            got.append(await client.message())
                    after = client.position
            return got

        async with resumed(self.room) as client:
            begin = client.position
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(talk())
            clients = [group.create_task(come_and_go(times)) for times in (1, 7, 50)]
        for each in clients:
            self.assertEqual(each.result(), [*map(str, range(300))])


@own_settings
class MemoryTests(SimpleTestCase):
    async def test_what_is_kept_ends_by_itself(self) -> None:
        async with resumed("attic") as client:
            position = client.position
            await publish("room.attic", "old")
            with patch("time.monotonic", return_value=time.monotonic() + 121):
                memory.sweep(asyncio.get_running_loop())
                self.assertFalse(memory.histories["room.attic"].messages)
                async with resumed("attic", position) as late:
                    self.assertEqual(late.gaps, 1)
                async with resumed("attic", late.position) as late:
                    self.assertEqual(late.gaps, 0)
            with patch("time.monotonic", return_value=time.monotonic() + 86_401):
                memory.sweep(asyncio.get_running_loop())
            self.assertNotIn("room.attic", memory.histories)
