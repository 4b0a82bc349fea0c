"""Channels: who gets what is published, and what waits for whom."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.db import connections as databases
from django.db import transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test import SimpleTestCase, TestCase

from realtime import connections, outbox
from realtime.asgi import WebSocketHandler
from realtime.broadcast import PublishError, publish, publish_on_commit, subscribe
from realtime.channels import channels, say_that_nobody_hears
from realtime.closing import CHANNEL, close
from realtime.database import after_commit
from realtime.testing import WebSocketClient
from realtime.tests import ended, nowhere, own_settings
from realtime.types import Event

ROOM = "/rooms/lobby/"


@own_settings
class BroadcastTests(SimpleTestCase):
    async def test_what_one_says_reaches_the_room_and_no_other(self) -> None:
        async with (
            WebSocketClient(ROOM) as one,
            WebSocketClient(ROOM) as other,
            WebSocketClient("/rooms/attic/") as stranger,
        ):
            said = ["hello", "", "again"]
            for text in said:
                await one.send(text)
            await stranger.send("mine")
            for client in (one, other):
                self.assertEqual([await client.receive() for _ in said], said)
            self.assertEqual(await stranger.receive(), "mine")

    async def test_synchronous_code_publishes_text_and_bytes(self) -> None:
        async with WebSocketClient(ROOM) as client:
            await asyncio.to_thread(publish_on_commit, "room.lobby", "from a thread")
            await sync_to_async(publish_on_commit)("room.lobby", b"\0\1")
            self.assertEqual(await client.receive(), "from a thread")
            self.assertEqual(await client.receive(), b"\0\1")

    def test_a_process_that_does_not_serve_says_once_that_nobody_hears_it(self) -> None:
        say_that_nobody_hears.cache_clear()
        self.addCleanup(say_that_nobody_hears.cache_clear)
        with patch.object(connections, "serves", False):
            with self.assertLogs("realtime.channels", "WARNING") as logs:
                publish_on_commit("room.lobby", "hello")
                publish_on_commit("room.lobby", "again")
        self.assertEqual(len(logs.output), 1)
        self.assertIn("reaches nobody: it needs REDIS_URL", logs.output[0])

    async def test_a_process_that_serves_is_silent(self) -> None:
        say_that_nobody_hears.cache_clear()
        with patch.object(connections, "serves", False):
            WebSocketHandler()  # as the service's asgi.py makes it
            with self.assertNoLogs("realtime.channels"):
                await sync_to_async(publish_on_commit)("room.lobby", "hello")

    async def test_a_message_is_text_or_bytes(self) -> None:
        with self.assertRaisesRegex(TypeError, "a message is str or bytes, not int: 5"):
            await publish("numbers", 5)  # type: ignore[arg-type]

    async def test_the_machinerys_own_names_and_such_as_are_none_are_refused(self) -> None:
        async def enter(channel: str) -> None:
            async with subscribe(channel, nowhere):
                pass

        ways: list[Callable[[str], Awaitable[None]]] = [
            enter,
            lambda channel: publish(channel, "word"),
            sync_to_async(lambda channel: publish_on_commit(channel, "word")),
            sync_to_async(lambda channel: close(4000, channel=channel)),
        ]
        names: list[tuple[Any, type[Exception], str]] = [
            (CHANNEL, ValueError, "begins with NUL"),
            ("\ud800", ValueError, "surrogates not allowed"),
            (5, TypeError, "a channel's name is str, not int: 5"),
        ]
        for name, error, words in names:
            for number, way in enumerate(ways):
                with self.subTest(name, way=number), self.assertRaisesRegex(error, words):
                    await way(name)

    async def test_a_receiver_that_raises_keeps_nothing_from_the_others(self) -> None:
        def fail(message: object, age: float) -> None:
            raise RuntimeError("a receiver failed")

        channels().channel("room.lobby").listeners.append(fail)
        async with WebSocketClient(ROOM) as client:
            with self.assertLogs("realtime.channels", "ERROR"):
                await publish("room.lobby", "hello")
            self.assertEqual(await client.receive(), "hello")


@own_settings
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

    def test_a_publication_that_fails_after_the_commit_stops_no_other(self) -> None:
        done: list[str] = []
        away = patch("realtime.broadcast.publish_from_thread", side_effect=PublishError)
        with away, self.assertLogs("django", "ERROR"):
            with self.captureOnCommitCallbacks(execute=True):
                publish_on_commit("room.lobby", "fails")
                after_commit(lambda: done.append("the next"))
        self.assertEqual(done, ["the next"])

    def test_a_publication_waits_for_the_database_that_is_named(self) -> None:
        done: list[str] = []
        with second_database() as other:
            with self.assertRaises(ZeroDivisionError), transaction.atomic(using=other.alias):
                after_commit(lambda: done.append("rolled back"), using=other.alias)
                raise ZeroDivisionError
            with transaction.atomic(using=other.alias):
                after_commit(lambda: done.append("committed"), using=other.alias)
                self.assertEqual(done, [])
            self.assertEqual(done, ["committed"])

    def test_without_autocommit_it_waits_until_that_is_on_again(self) -> None:
        done: list[str] = []
        with second_database() as other:
            other.set_autocommit(False)
            after_commit(lambda: done.append("rolled back"), using=other.alias)
            other.rollback()
            after_commit(lambda: done.append("committed"), using=other.alias)
            other.commit()
            self.assertEqual(done, [])
            other.set_autocommit(True)
            self.assertEqual(done, ["committed"])


@contextmanager
def second_database() -> Iterator[Any]:
    """A connection to a database of its own, in no test's transaction."""
    values = databases.configure_settings(
        {"default": {}, "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    )
    databases["other"] = DatabaseWrapper(values["other"], "other")
    try:
        yield databases["other"]
    finally:
        databases["other"].close()
        del databases["other"]


class Recorder:
    """A client that notes what it is sent, and that it has the last message."""

    def __init__(self, last: str) -> None:
        self.last, self.got, self.complete = last, list[str](), asyncio.Event()

    async def send(self, event: Event) -> None:
        await asyncio.sleep(0)
        self.got.append(event["text"])
        if event["text"] == self.last:
            self.complete.set()


async def stuck(event: Event) -> None:
    """The `send` of a client that does not read."""
    await asyncio.Event().wait()


@own_settings
class OutboxTests(SimpleTestCase):
    async def test_nothing_is_sent_before_the_accept(self) -> None:
        async def talk() -> None:
            while True:
                await publish("busy", "word")

        talker = asyncio.create_task(talk())
        async with WebSocketClient("/pair/") as client:
            self.assertEqual(client.accepted["type"], "websocket.accept")
            self.assertEqual(await client.receive(), "word")
            talker.cancel()

    async def test_what_is_published_before_a_late_accept_comes_after_it_in_order(self) -> None:
        subscribed = asyncio.Event()

        async def see(event: Event) -> None:
            subscribed.set()

        async def talk() -> None:
            await subscribed.wait()
            for number in range(100):
                await publish("late", str(number))
                await asyncio.sleep(0.005)

        async with subscribe("late", see), asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(talk())
            async with WebSocketClient("/late/") as client:
                got = [await client.receive() for _ in range(101)]
        self.assertEqual(got, ["subscribed", *map(str, range(100))])

    async def test_what_is_published_last_in_a_block_is_sent(self) -> None:
        got: list[str] = []

        async def send(event: Event) -> None:
            got.append(event["text"])

        async with subscribe("numbers", send):
            await publish("numbers", "bye")
        self.assertEqual(got, ["bye"])

    async def test_what_is_said_before_the_end_of_a_block_reaches_one_that_is_slow(self) -> None:
        client = Recorder("99")
        async with subscribe("numbers", client.send):
            for number in range(100):
                await publish("numbers", str(number))
        self.assertEqual(client.got, [*map(str, range(100))])

    async def test_one_that_does_not_read_holds_the_end_of_a_block_for_a_second(self) -> None:
        with patch.object(outbox, "PATIENCE", 0.1):
            async with asyncio.timeout(5), subscribe("numbers", stuck):
                await publish("numbers", "word")

    async def test_a_client_that_does_not_read_is_ended_and_one_that_reads_gets_all(self) -> None:
        async def listen() -> None:
            async with subscribe("numbers", stuck):
                await asyncio.Event().wait()

        reader = Recorder("end")
        with patch.multiple(outbox, SILENCE=0.1, PATIENCE=0.2):
            listener = asyncio.create_task(listen())
            async with asyncio.timeout(10), subscribe("numbers", reader.send):
                for number in range(3000):
                    await publish("numbers", str(number))
                with self.assertRaises(asyncio.CancelledError):
                    await listener
                await publish("numbers", "end")
                await reader.complete.wait()
        self.assertEqual(reader.got, [*map(str, range(3000)), "end"])

    async def test_a_few_long_messages_are_as_much_as_many_short_ones(self) -> None:
        async def listen() -> None:
            async with subscribe("films", stuck):
                await asyncio.Event().wait()

        with patch.multiple(outbox, SILENCE=60, PATIENCE=0, BYTES=1000, FULL=3):
            listener = asyncio.create_task(listen())
            async with asyncio.timeout(10), subscribe("films", Recorder("").send):
                while not listener.done():
                    await publish("films", "x" * 900)
        self.assertTrue(listener.cancelled())

    async def test_publishers_wait_a_while_for_one_that_reads_and_then_go_on(self) -> None:
        free = asyncio.Event()

        async def slow(event: Event) -> None:
            await free.wait()

        with patch.multiple(outbox, SILENCE=60, PATIENCE=0.05, MESSAGES=2):
            async with asyncio.timeout(10), subscribe("numbers", slow):
                for number in range(10):
                    await publish("numbers", str(number))
                self.assertTrue(outbox.behind)
                free.set()
                await publish("numbers", "last")
                self.assertFalse(outbox.behind)

    async def test_a_connection_that_is_too_slow_is_closed_with_1013(self) -> None:
        async with WebSocketClient("/late/") as client:
            await client.receive()
            with patch.multiple(outbox, SILENCE=0, PATIENCE=0, MESSAGES=1):
                (slow,) = [box for box in boxes() if box.channel == "late"]
                slow.send = stuck
                for number in range(3):
                    await publish("late", str(number))
            self.assertEqual(await ended(client), (1013, "too slow"))


def boxes() -> list[outbox.Outbox]:
    """The outboxes of this event loop."""
    receivers = [receiver for each in channels().known.values() for receiver in each.plain]
    owners = [getattr(receiver, "__self__", None) for receiver in receivers]
    return [owner for owner in owners if isinstance(owner, outbox.Outbox)]
