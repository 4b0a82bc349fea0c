"""Closing connections from outside: by `close`, and when a right ends."""

import asyncio
import json
from functools import partial

from asgiref.sync import sync_to_async
from django.test import TestCase

from realtime.broadcast import subscribe
from realtime.channels import channels
from realtime.closing import CHANNEL, close
from realtime.connections import Connection
from realtime.testing import WebSocketClient
from realtime.tests import (
    answers,
    browser_of,
    code_of,
    connected,
    ended,
    make_user,
    nowhere,
    own_settings,
)

make = sync_to_async(make_user)


def hand_out(message: str) -> None:
    """Give a message to those who hear of closings."""
    channels().known[CHANNEL].hand_out(message)


@own_settings
class CloseTests(TestCase):
    async def test_a_users_connections_are_closed_after_the_commit(self) -> None:
        ada, grace = [await make(name) for name in ("ada", "grace")]
        async with (
            WebSocketClient("/ws/", user=ada) as one,
            WebSocketClient("/ws/", user=grace) as other,
        ):
            with self.captureOnCommitCallbacks(execute=True):
                await sync_to_async(close)(4000, "kicked", user_id=ada.pk)
                self.assertTrue(await answers(one))
            self.assertEqual(await ended(one), (4000, "kicked"))
            self.assertTrue(await answers(other))

    async def test_several_keys_close_what_belongs_to_all_of_them(self) -> None:
        ada, grace = [await make(name) for name in ("ada", "grace")]
        async with (
            WebSocketClient("/rooms/lobby/", user=ada) as removed,
            WebSocketClient("/rooms/attic/", user=ada) as elsewhere,
            WebSocketClient("/rooms/lobby/", user=grace) as other,
        ):
            with self.captureOnCommitCallbacks(execute=True):
                await sync_to_async(close)(4403, "removed", user_id=ada.pk, channel="room.lobby")
            self.assertEqual(await ended(removed), (4403, "removed"))
            self.assertTrue(await answers(elsewhere))
            self.assertTrue(await answers(other))
            with self.captureOnCommitCallbacks(execute=True):
                await sync_to_async(close)(4000, "ended", channel="room.lobby")
            self.assertEqual(await ended(other), (4000, "ended"))
            self.assertTrue(await answers(elsewhere))

    async def test_a_session_and_a_user_close_what_is_of_both(self) -> None:
        ada, grace = [await make(name) for name in ("ada", "grace")]
        first, second = await browser_of(ada), await browser_of(ada)
        key = (await first.asession()).session_key
        async with connected(first) as one, connected(second) as other:
            for user, session_key in ((grace.pk, key), (ada.pk, "another")):
                with self.captureOnCommitCallbacks(execute=True):
                    kick = partial(close, user_id=user, session_key=session_key)
                    await sync_to_async(kick)(4000, "no one's")
                self.assertTrue(await answers(one))
            with self.captureOnCommitCallbacks(execute=True):
                kick = partial(close, user_id=ada.pk, session_key=key)
                await sync_to_async(kick)(4000, "kicked")
            self.assertEqual(await ended(one), (4000, "kicked"))
            self.assertTrue(await answers(other))

    async def test_a_connection_on_its_way_into_a_closed_channel_is_closed(self) -> None:
        async def arrive(connection: Connection) -> None:
            await closed.wait()
            async with subscribe("room.lobby", nowhere):
                await asyncio.wait_for(asyncio.Event().wait(), 5)

        async with WebSocketClient("/ws/"):  # the service is there, and hears of the closing
            closed = asyncio.Event()
            arriving = asyncio.create_task(code_of(arrive))
            await asyncio.sleep(0)  # it has begun
            with self.captureOnCommitCallbacks(execute=True):
                await sync_to_async(partial(close, channel="room.lobby"))(4403, "gone")
            closed.set()
            self.assertEqual(await arriving, 4403)

    def test_close_asks_for_a_close_that_can_be_sent(self) -> None:
        for code, reason in ((4000, "x" * 124), (4000, "é" * 62), (4000, "\ud800")):
            with self.subTest(reason), self.assertRaises(ValueError):
                close(code, reason, user_id=1)
        for code in (0, 999, 1004, 1005, 1006, 1015, 2000, 5000):
            with self.subTest(code), self.assertRaisesRegex(ValueError, "4000 to 4999"):
                close(code, user_id=1)

    async def test_a_closing_that_comes_late_spares_what_has_begun_since(self) -> None:
        closing = {"code": 4000, "reason": "late", "whose": {"channel": "room.lobby"}, "refuse": 0}
        async with WebSocketClient("/rooms/lobby/") as client:
            hand_out(json.dumps({**closing, "age": 60}))
            self.assertTrue(await answers(client))
            hand_out(json.dumps({**closing, "age": 0}))
            self.assertEqual(await ended(client), (4000, "late"))

    async def test_what_is_no_closing_ends_nothing(self) -> None:
        async with WebSocketClient("/rooms/lobby/") as client:
            for nonsense in (
                "",
                "[]",
                "{}",
                '{"whose": 1}',
                '{"code": 1006, "reason": "", "whose": {"channel": "a"}, "refuse": 0, "age": 0}',
                '{"code": 4000, "reason": "", "whose": {}, "refuse": 0, "age": 0}',
            ):
                with self.subTest(nonsense), self.assertLogs("realtime.closing", "WARNING"):
                    hand_out(nonsense)
            self.assertTrue(await answers(client))

    def test_close_asks_for_a_key(self) -> None:
        with self.assertRaisesRegex(TypeError, "a session_key, a user_id or a channel"):
            close(4000)
