"""Channels: who gets what is published."""

import asyncio

from asgiref.sync import sync_to_async
from django.db import transaction
from django.test import SimpleTestCase, TestCase

from realtime.broadcast import publish, publish_on_commit
from realtime.testing import WebSocketClient

ROOM = "/ws/rooms/lobby/"


class BroadcastTests(SimpleTestCase):
    async def test_what_one_says_reaches_the_room_and_no_other(self) -> None:
        async with (
            WebSocketClient(ROOM) as one,
            WebSocketClient(ROOM) as other,
            WebSocketClient("/ws/rooms/attic/") as stranger,
        ):
            said = ["hello", "", "again"]
            for text in said:
                await one.send(text)
            await stranger.send("mine")
            for client in (one, other):
                self.assertEqual([await client.receive() for _ in said], said)
            self.assertEqual(await stranger.receive(), "mine")

    async def test_ping_in_a_room_is_answered_to_whom_sent_it_alone(self) -> None:
        async with WebSocketClient(ROOM) as one, WebSocketClient(ROOM) as other:
            await one.send("ping")
            self.assertEqual(await one.receive(), "pong!")
            await one.send("hello")
            for client in (one, other):
                self.assertEqual(await client.receive(), "hello")

    async def test_synchronous_code_publishes_text_and_bytes(self) -> None:
        async with WebSocketClient(ROOM) as client:
            await asyncio.to_thread(publish_on_commit, "room.lobby", "from a thread")
            await sync_to_async(publish_on_commit)("room.lobby", b"\0\1")
            self.assertEqual(await client.receive(), "from a thread")
            self.assertEqual(await client.receive(), b"\0\1")

    async def test_a_message_is_text_or_bytes(self) -> None:
        with self.assertRaisesRegex(TypeError, "a message is str or bytes, not int: 5"):
            await publish("numbers", 5)  # type: ignore[arg-type]


class TransactionTests(TestCase):
    async def test_a_transaction_publishes_when_it_commits_and_never_when_it_is_rolled_back(
        self,
    ) -> None:
        def work() -> None:
            with self.assertRaises(ZeroDivisionError), transaction.atomic():
                publish_on_commit("room.lobby", "rolled back")
                raise ZeroDivisionError
            publish_on_commit("room.lobby", "committed")

        async with WebSocketClient(ROOM) as client:
            with self.captureOnCommitCallbacks(execute=True):
                await sync_to_async(work)()
                await publish("room.lobby", "meanwhile")
            self.assertEqual(await client.receive(), "meanwhile")
            self.assertEqual(await client.receive(), "committed")
