"""Threads for database work: of blocks, of handshakes."""

import asyncio
import threading
from threading import Barrier, Event
from typing import Any
from unittest.mock import patch

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.test import SimpleTestCase, TestCase

from realtime import database
from realtime.database import Threads, database_thread, mend, turn
from realtime.testing import WebSocketClient
from realtime.tests import make_user, own_settings

which_thread = sync_to_async(threading.get_ident)


@patch.object(database, "shared", False)
class BlockTests(SimpleTestCase):
    async def test_each_block_has_a_thread_and_outside_them_all_share_one(self) -> None:
        entered = asyncio.Barrier(3)

        async def block() -> int:
            async with database_thread():
                await entered.wait()
                first = await which_thread()
                self.assertEqual(await which_thread(), first)
                return first

        async with asyncio.timeout(10):
            idents = await asyncio.gather(*(block() for _ in range(3)))
        everywhere = {*idents, await which_thread(), threading.get_ident()}
        self.assertGreaterEqual(len(everywhere), 4)

    async def test_the_thread_of_a_block_ends_when_it_is_not_used(self) -> None:
        with patch.object(database, "free", [Threads("database", size=1, keep=0.01)]):
            async with database_thread():
                thread = await sync_to_async(threading.current_thread)()
                await asyncio.to_thread(thread.join, 0.1)
                self.assertTrue(thread.is_alive())  # as long as the block lasts
            await asyncio.to_thread(thread.join, 5)
            self.assertFalse(thread.is_alive())

    async def test_twenty_blocks_have_threads_and_more_wait_in_turn(self) -> None:
        inside, most, order, idents = 0, 0, list[int](), set[int]()

        async def block(number: int) -> None:
            nonlocal inside, most
            async with database_thread():
                order.append(number)
                inside, most = inside + 1, max(most, inside + 1)
                idents.add(await which_thread())
                await asyncio.sleep(0)
                inside -= 1

        async with asyncio.timeout(30):
            await asyncio.gather(*(block(number) for number in range(200)))
        self.assertEqual((most, len(idents)), (20, 20))
        self.assertEqual(order, list(range(200)))

    async def test_a_block_within_a_block_has_its_thread(self) -> None:
        async def nested() -> tuple[int, int]:
            async with database_thread():
                outer = await which_thread()
                async with database_thread():
                    await entered.wait()
                    self.assertEqual(await which_thread(), outer)
                return outer, await which_thread()

        entered = asyncio.Barrier(20)
        async with asyncio.timeout(10):
            for before, after in await asyncio.gather(*(nested() for _ in range(20))):
                self.assertEqual(before, after)

    async def test_synchronous_code_in_a_block_may_enter_another(self) -> None:
        async def inner() -> int:
            async with database_thread():
                return await which_thread()

        with patch.object(database, "BLOCKS", 1):
            async with asyncio.timeout(10), database_thread():
                outer = await which_thread()
                self.assertEqual(await sync_to_async(async_to_sync(inner))(), outer)

    async def test_a_block_that_is_cancelled_loses_no_thread(self) -> None:
        with patch.object(database, "free", []), patch.object(database, "BLOCKS", 1):
            for turns in range(4):  # of the event loop, between the two
                holder, waiter, last = (asyncio.create_task(self.block()) for _ in range(3))
                await asyncio.sleep(0)
                holder.cancel()
                for _ in range(turns):
                    await asyncio.sleep(0)
                waiter.cancel()
                async with asyncio.timeout(10):
                    await asyncio.gather(holder, waiter, return_exceptions=True)
                    await last
            self.assertEqual(len(database.free), 1)

    async def test_a_block_that_is_cancelled_at_its_end_loses_no_thread(self) -> None:
        thread, gate, ending = Threads("database", size=1), Event(), asyncio.Event()

        async def block() -> None:
            async with database_thread():
                thread.submit(gate.wait, 5)  # the close has to wait for it
                ending.set()

        with patch.object(database, "free", [thread]), patch.object(database, "BLOCKS", 1):
            cancelled = asyncio.create_task(block())
            async with asyncio.timeout(10):
                await ending.wait()
                cancelled.cancel()
                await asyncio.wait({cancelled})
                self.assertEqual(database.free, [])
                gate.set()
                await self.block()

    async def block(self) -> int:
        """A block with a call in its thread."""
        async with database_thread():
            return await which_thread()


class TurnTests(SimpleTestCase):
    async def test_eight_handshakes_have_their_turn_and_more_follow_in_order(self) -> None:
        inside, most, order = 0, 0, list[int]()

        async def handshake(number: int) -> None:
            nonlocal inside, most
            async with turn():
                order.append(number)
                inside, most = inside + 1, max(most, inside + 1)
                await asyncio.sleep(0)
                inside -= 1

        with patch.object(database, "LONG", 60):
            async with asyncio.timeout(10):
                await asyncio.gather(*(handshake(number) for number in range(100)))
        self.assertEqual((most, order), (8, list(range(100))))

    async def test_handshakes_that_only_wait_let_others_in(self) -> None:
        together = asyncio.Barrier(20)

        async def handshake() -> None:
            async with turn():
                await together.wait()

        async with asyncio.timeout(10):
            await asyncio.gather(*(handshake() for _ in range(20)))
        self.assertEqual(database.turns[asyncio.get_running_loop()]._value, 8)  # none twice

    async def test_handshakes_let_nobody_in_while_the_processor_is_busy_but_then(self) -> None:
        looks, looked, idle, end, begun = 0, asyncio.Event(), False, asyncio.Event(), 0

        def second_after_second() -> int:
            nonlocal looks
            looks += not idle
            if looks == 16:  # at the begin of eight turns, and in each once
                looked.set()
            return looks

        async def handshake() -> None:
            nonlocal begun
            async with turn():
                begun += 1
                if begun == 9:
                    end.set()
                await end.wait()

        with patch("time.process_time", second_after_second):
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                for _ in range(9):
                    group.create_task(handshake())
                await looked.wait()
                await asyncio.sleep(0)
                self.assertEqual(begun, 8)
                idle = True
        self.assertEqual(begun, 9)


class Connection:
    """What Django has for each connection, as far as `check` looks at it."""

    def __init__(self, usable: bool, autocommit: bool = True) -> None:
        self.connection: Any = object()
        self.errors_occurred = True
        self.usable, self.autocommit, self.checks = usable, autocommit, 0

    def is_usable(self) -> bool:
        return self.usable

    def close(self) -> None:
        self.connection = None

    def close_if_health_check_failed(self) -> None:
        self.checks += 1


class BrokenTests(SimpleTestCase):
    def test_a_connection_that_an_error_left_dead_is_closed_before_its_next_use(self) -> None:
        for usable, autocommit, closed in (
            (False, True, True),
            (True, True, False),
            (False, False, False),  # in a transaction, at whose end Django closes it
        ):
            with self.subTest(usable=usable, autocommit=autocommit):
                connection: Any = Connection(usable, autocommit)
                for _ in range(2):  # it has been connected twice
                    mend(connection)
                connection.close_if_health_check_failed()
                self.assertEqual((connection.connection is None, connection.checks), (closed, 1))


@own_settings
class RowTests(TestCase):
    async def test_a_block_sees_the_rows_of_the_test(self) -> None:
        await sync_to_async(make_user)("ada")
        async with WebSocketClient("/ws/"), database_thread():
            self.assertEqual(await get_user_model()._default_manager.acount(), 1)


class ExecutorTests(SimpleTestCase):
    def test_others_join_a_call_that_waits(self) -> None:
        threads, together = Threads("test", size=3, keep=0.01), Barrier(3)
        calls = [threads.submit(together.wait, 5) for _ in range(3)]
        self.assertEqual(sorted(call.result(5) for call in calls), [0, 1, 2])

    def test_a_call_for_which_there_is_no_thread_waits_for_one(self) -> None:
        threads, gate = Threads("test", size=1, keep=0.01), Event()
        first, second = threads.submit(gate.wait, 5), threads.submit(threading.get_ident)
        self.assertFalse(second.done())
        gate.set()
        self.assertTrue(first.result(5))
        self.assertNotEqual(second.result(5), threading.get_ident())

    def test_a_call_that_is_cancelled_is_not_made_and_what_another_raises_is_in_its_future(
        self,
    ) -> None:
        threads, gate, made = Threads("test", size=1, keep=0.01), Event(), list[int]()
        threads.submit(gate.wait, 5)
        cancelled, failing = threads.submit(made.append, 1), threads.submit(int, "x")
        self.assertTrue(cancelled.cancel())
        gate.set()
        self.assertIsInstance(failing.exception(5), ValueError)
        self.assertEqual(made, [])

    def test_a_thread_ends_when_it_is_idle_and_another_comes_with_the_next_call(self) -> None:
        threads = Threads("test", size=1, keep=0.01)
        first = threads.submit(threading.current_thread).result(5)
        first.join(5)
        self.assertFalse(first.is_alive())
        self.assertIsNot(threads.submit(threading.current_thread).result(5), first)

    def test_where_no_thread_can_start_the_call_waits_for_another_or_raises(self) -> None:
        threads, gate = Threads("test", size=2, keep=5), Event()
        first = threads.submit(gate.wait, 5)
        with patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start")):
            second = threads.submit(threading.get_ident)
            with self.assertRaisesRegex(RuntimeError, "can't start"):
                Threads("other", size=1).submit(int)
        gate.set()
        self.assertTrue(first.result(5) and second.result(5))
