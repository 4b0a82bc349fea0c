"""Database work of a loop in a thread of its own."""

import asyncio
import threading
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import SimpleTestCase, TestCase

from realtime import database
from realtime.database import database_thread
from realtime.testing import WebSocketClient
from realtime.threads import Threads

which_thread = sync_to_async(threading.get_ident)


class ThreadTests(SimpleTestCase):
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


class RowTests(TestCase):
    async def test_a_block_sees_the_rows_of_the_test(self) -> None:
        await User.objects.acreate(username="ada")
        async with WebSocketClient("/ws/"), database_thread():
            self.assertEqual(await User.objects.acount(), 1)
