"""Who is in a channel, in several processes."""

import asyncio
from typing import Any
from unittest.mock import patch

from django.test import override_settings

from realtime.channels import channels
from realtime.presence import members, present, roster
from realtime.testing import WebSocketClient
from realtime.tests.test_presence import PresenceTests
from realtime.tests.test_presence import __name__ as routes
from realtime.tests.test_redis import RedisTestCase, until

ADA, BOB = '"ada"\npresence.lobby', '"bob"\npresence.lobby'


@override_settings(ROOT_URLCONF=routes)
class RedisPresenceTests(RedisTestCase, PresenceTests):
    def setUp(self) -> None:
        """Begin with nobody, and look often."""
        super().setUp()
        from realtime.backends.stream import name

        for begin in (leases(), name("presence.lobby")):
            for key in self.redis.scan_iter(begin + b"*"):
                self.redis.delete(key)
        for place, seconds in (("presence.BEAT", 0.05), ("backends.presence.RESTORE", 0.1)):
            changed = patch(f"realtime.{place}", seconds)
            changed.start()
            self.addCleanup(changed.stop)

    def process(self) -> Any:
        """What another process is to Redis."""
        from realtime.backends.presence import Members

        return Members(channels().backend)

    async def killed(self, *entries: str, lease: float = 0.3) -> None:
        """Let a process come, hold these, and be killed: its lease ends soon."""
        with patch("realtime.backends.presence.LEASE", lease):
            await self.process().tell([*entries], [], set())

    async def test_a_member_of_several_processes_joins_and_leaves_once(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            other = self.process()
            async with present("lobby", "ada"):
                await self.told(("joined", "ada"))
                await other.tell([ADA], [], set())
                await other.tell([ADA], [], set())  # its answer was lost
                self.assertEqual(await members("lobby"), ["ada"])
            await self.told()
            for _ in range(2):
                await other.tell([], [ADA], {ADA})
            await self.told(("left", "ada"))
            self.assertEqual(await members("lobby"), [])

    async def test_the_members_of_a_process_that_was_killed_leave_once(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            witness = self.process()
            await witness.tell([], [], set())
            await self.killed(ADA, BOB)
            await self.told(("joined", "ada"), ("joined", "bob"))
            left = [await self.watcher.receive_json() for _ in range(2)]
            self.assertCountEqual(left, [{"left": "ada"}, {"left": "bob"}])
            await witness.tell([], [], set())
            await self.told()

    async def test_who_comes_back_elsewhere_in_time_neither_leaves_nor_joins(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            await self.killed(ADA, BOB, lease=1)
            await self.told(("joined", "ada"), ("joined", "bob"))
            async with present("lobby", "ada"):
                await self.told(("left", "bob"))
                self.assertEqual(await members("lobby"), ["ada"])
            await self.told(("left", "ada"))

    async def test_a_process_that_others_took_for_gone_joins_again(self) -> None:
        stop = asyncio.Event()

        async def forever(*args: Any) -> bool:
            await stop.wait()
            return False

        async with WebSocketClient("/watch/") as self.watcher, present("lobby", "ada"):
            await self.told(("joined", "ada"))
            with patch.object(roster().link, "tell", side_effect=forever):
                await until(lambda: roster().link.tell.called)
                witness = self.process()
                await witness.tell([], [], set())
                self.redis.zadd(leases(), {roster().link.own: 1})  # its lease has ended
                await witness.tell([], [], set())
                await self.told(("left", "ada"))
                stop.set()
            await self.told(("joined", "ada"))

    async def test_where_redis_was_away_from_all_nobody_leaves(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            other = self.process()
            await other.tell([ADA], [], set())
            await self.told(("joined", "ada"))
            for process, _ in self.redis.zscan_iter(leases()):
                self.redis.zadd(leases(), {process: 1})
            await self.told()
            self.assertEqual(await members("lobby"), ["ada"])

    async def test_a_redis_that_forgot_is_told_and_only_who_left_meanwhile_leaves(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            other = self.process()
            async with present("lobby", "ada"):
                await other.tell([ADA, BOB], [], set())
                await self.told(("joined", "ada"), ("joined", "bob"))
                from realtime.backends.stream import name

                self.redis.delete(name("presence.lobby") + b":members", leases())
                for own in (other.own, roster().link.own):
                    self.redis.delete(leases() + own.encode())
                backend = channels().backend
                with patch.object(backend, "run", "another"):
                    await other.tell([], [BOB], {ADA, BOB})
                    await self.told(("left", "bob"))
                    await until(lambda: roster().link.run == "another")
                    await other.tell([], [ADA], {ADA})
                    await self.told()
                    self.assertEqual(await members("lobby"), ["ada"])
                    roster().count(ADA, -1)
                    await self.told(("left", "ada"))
                    roster().count(ADA, 1)

    @override_settings(HISTORY_SECONDS=0)
    async def test_where_nothing_is_kept_who_comes_is_told_too(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            async with present("lobby", "ada"):
                await self.told(("joined", "ada"))
            await self.told(("left", "ada"))

    async def test_at_a_stop_only_who_leaves_before_they_are_closed_is_said_to(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            with patch("realtime.presence.stops", lambda: True):
                async with present("lobby", "ada"):
                    await self.told(("joined", "ada"))
                async with WebSocketClient("/enter/bob/"):
                    await self.told(("joined", "bob"))
                await self.told(("left", "bob"))
            await self.told()

    async def test_where_all_were_killed_their_members_are_soon_gone(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            killed = self.process()
            await killed.tell([ADA], [], set())
            await self.told(("joined", "ada"))
            for process, _ in self.redis.zscan_iter(leases()):
                self.redis.zadd(leases(), {process: 1})
            await self.process().tell([], [], set())
            ends, (now, _) = self.redis.zscore(leases(), killed.own), self.redis.time()
            self.assertTrue(0 < ends / 1e6 - now < 5)


def leases() -> bytes:
    """The key of the leases."""
    from realtime.backends.stream import name

    return name("\0present")
