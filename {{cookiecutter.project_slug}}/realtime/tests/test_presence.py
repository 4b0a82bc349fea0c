"""Who is in a channel, within a process."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any
from unittest.mock import patch

from django.http import HttpRequest
from django.test import SimpleTestCase, override_settings
from django.urls import path

from realtime.broadcast import subscribe
from realtime.handshake import websocket
from realtime.presence import changes, members, present, roster
from realtime.testing import WebSocketClient
from realtime.tests import own_settings
from realtime.types import Event, Receive, Send


@websocket
async def enter(request: HttpRequest, receive: Receive, send: Send, name: str) -> None:
    """Be in the lobby, and say who else is."""
    await receive()
    async with present("lobby", name):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": " ".join(await members("lobby"))})
        await receive()


@websocket
async def watch(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Say who comes to the lobby and leaves it."""
    await receive()
    async with subscribe(changes("lobby"), send):
        await send({"type": "websocket.accept"})
        await receive()


urlpatterns = [path("enter/<str:name>/", enter), path("watch/", watch)]


class PresenceTests(SimpleTestCase):
    async def told(self, *expected: tuple[str, Any]) -> None:
        """The watcher is told of these, and nothing else."""
        for word, member in expected:
            self.assertEqual(await self.watcher.receive_json(), {word: member})
        await self.watcher.receive_nothing(0.05)

    watcher: WebSocketClient


@override_settings(ROOT_URLCONF=__name__)
@own_settings
class LocalTests(PresenceTests):
    async def test_a_member_joins_and_leaves_once_by_however_many_connections(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            async with WebSocketClient("/enter/ada/") as one:
                self.assertEqual(await one.receive(), "ada")
                await self.told(("joined", "ada"))
                async with WebSocketClient("/enter/ada/") as other:
                    self.assertEqual(await other.receive(), "ada")
                    async with WebSocketClient("/enter/bob/") as bob:
                        self.assertEqual(await bob.receive(), "ada bob")
                        await self.told(("joined", "bob"))
                    await self.told(("left", "bob"))
                await self.told()
            await self.told(("left", "ada"))
            self.assertEqual(await members("lobby"), [])
            self.assertFalse(roster().held)

    async def test_who_is_back_before_anybody_was_told_has_not_left(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(present("lobby", "ada"))
                roster().count('"ada"\npresence.lobby', -1)
                roster().count('"ada"\npresence.lobby', 1)
                await self.told(("joined", "ada"))
            await self.told(("left", "ada"))

    async def test_a_loop_that_is_cancelled_or_raises_leaves(self) -> None:
        async def stay() -> None:
            async with present("lobby", "ada"):
                await asyncio.Event().wait()

        async with WebSocketClient("/watch/") as self.watcher:
            task = asyncio.create_task(stay())
            await self.told(("joined", "ada"))
            task.cancel()
            await self.told(("left", "ada"))
            with suppress(RuntimeError):
                async with present("lobby", "bob"):
                    raise RuntimeError
            await self.told(("joined", "bob"), ("left", "bob"))

    async def test_a_member_is_any_value_and_each_channel_has_its_own(self) -> None:
        values: list[Any] = [7, "7", 'a "quote"\nand a line', {"id": 7, "name": "Ädá"}]
        async with AsyncExitStack() as stack:
            for value in values:
                await stack.enter_async_context(present("a\nb", value))
            await stack.enter_async_context(present("b", "other"))
            self.assertCountEqual(await members("a\nb"), values)
            self.assertEqual(await members("b"), ["other"])
        deep: list[Any] = []
        for _ in range(70):
            deep = [deep]
        for channel, wrong in (("\0close", "x"), ("lobby", {1}), ("lobby", "\0"), ("lobby", deep)):
            with self.assertRaises((TypeError, ValueError)):
                async with present(channel, wrong):
                    pass
        self.assertEqual(await members("lobby"), [])

    async def test_one_failure_keeps_nobody_from_being_told_afterwards(self) -> None:
        async with WebSocketClient("/watch/") as self.watcher:
            with patch.object(roster().link, "tell", side_effect=OSError):
                with self.assertLogs("realtime.presence", "ERROR"):
                    roster().count('"ada"\npresence.lobby', 1)
                    async with asyncio.timeout(5):
                        await roster().round.wait()
            roster().count('"bob"\npresence.lobby', 1)
            await self.told(("joined", "ada"), ("joined", "bob"))
            for name in ("ada", "bob"):
                roster().count(f'"{name}"\npresence.lobby', -1)
            await self.told(("left", "ada"), ("left", "bob"))

    async def test_what_one_event_loop_holds_another_knows(self) -> None:
        heard: list[Event] = []

        async def note(event: Event) -> None:
            heard.append(event)

        async def elsewhere() -> list[Any]:
            async with present("lobby", "ada"), present("lobby", "bob"):
                return await members("lobby")

        async with subscribe(changes("lobby"), note), present("lobby", "ada"):
            there = await asyncio.to_thread(asyncio.run, elsewhere())
            self.assertEqual(there, ["ada", "bob"])
            self.assertEqual(await members("lobby"), ["ada"])
        said = [event["text"] for event in heard]
        self.assertEqual(said[:2], ['{"joined": "ada"}', '{"joined": "bob"}'])
