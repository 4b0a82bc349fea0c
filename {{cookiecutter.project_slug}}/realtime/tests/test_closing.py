"""Closing connections from outside: by `close`, and when a right ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest
from django.test import AsyncClient, TestCase

from realtime import connections
from realtime.broadcast import subscribe
from realtime.closing import close
from realtime.testing import WebSocketClient
from realtime.tests import answers, ended, make_user, nowhere, own_settings

make = sync_to_async(make_user)


async def browser_of(user: Any) -> AsyncClient:
    """A browser in which the user is logged in."""
    browser = AsyncClient()
    await browser.aforce_login(user)
    return browser


@asynccontextmanager
async def connected(browser: AsyncClient, path: str = "/ws/") -> AsyncIterator[WebSocketClient]:
    """A connection with the session of a browser."""
    cookie = browser.cookies.output(attrs=[], header="", sep=";").strip()
    async with WebSocketClient(path, headers={"Cookie": cookie}) as client:
        yield client


def may_be_inactive() -> bool:
    """Whether users of this project can be deactivated."""
    try:
        get_user_model()._meta.get_field("is_active")
    except FieldDoesNotExist:
        return False
    return True


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
        async def arrive(closed: asyncio.Event) -> int | None:
            connection = connections.Connection(nowhere)
            try:
                await closed.wait()
                async with subscribe("room.lobby", nowhere):
                    await asyncio.wait_for(asyncio.Event().wait(), 5)
            except asyncio.CancelledError:
                return connection.code
            finally:
                connection.forget()
            return None

        async with WebSocketClient("/ws/"):  # the service is there, and hears of the closing
            closed = asyncio.Event()
            arriving = asyncio.create_task(arrive(closed))
            await asyncio.sleep(0)  # it has begun
            with self.captureOnCommitCallbacks(execute=True):
                await sync_to_async(partial(close, channel="room.lobby"))(4403, "gone")
            closed.set()
            self.assertEqual(await arriving, 4403)

    def test_close_asks_for_a_key(self) -> None:
        with self.assertRaisesRegex(TypeError, "a session_key, a user_id or a channel"):
            close(4000)


@own_settings
class LogoutTests(TestCase):
    async def test_logout_closes_this_session_and_no_other(self) -> None:
        ada = await make("ada")
        leaving, staying = await browser_of(ada), await browser_of(ada)
        async with connected(leaving) as one, connected(staying) as other:
            with self.captureOnCommitCallbacks(execute=True):
                await leaving.alogout()
            self.assertEqual(await ended(one), (4401, "logged out"))
            self.assertTrue(await answers(other))

    async def test_a_logout_looks_at_no_connection_but_those_of_its_session(self) -> None:
        browser, looked = await browser_of(await make("ada")), set[str]()

        class Stranger(connections.Connection):
            """A connection of somebody else, which notes what of it is looked at."""

            __slots__ = ()

            def __getattribute__(self, name: str) -> Any:
                looked.add(name)
                return super().__getattribute__(name)

        async def stranger(number: int) -> connections.Connection:
            connection = Stranger(nowhere)
            connection.join("session_key", f"session {number}")
            connection.join("user_id", f"user {number}")
            return connection

        strangers = [await asyncio.create_task(stranger(number)) for number in range(1000)]
        try:
            async with connected(browser) as client:
                looked.clear()
                with self.captureOnCommitCallbacks(execute=True):
                    await browser.alogout()
                self.assertEqual(await ended(client), (4401, "logged out"))
                self.assertEqual(looked, set())
        finally:
            for connection in strangers:
                connection.forget()

    async def test_a_handshake_before_the_session_is_deleted_does_not_outlive_the_logout(
        self,
    ) -> None:
        browser = await browser_of(await make("ada"))
        async with WebSocketClient("/ws/"):  # the service is there, and hears of the logout
            request = HttpRequest()
            request.session = await browser.asession()
            with self.captureOnCommitCallbacks(execute=True):
                await user_logged_out.asend(sender=object, request=request, user=None)
            async with connected(browser) as late:
                self.assertEqual(await ended(late), (4401, "logged out"))

    async def test_a_user_who_may_no_longer_log_in_is_closed(self) -> None:
        for change in ("password", "deleted", "inactive"):
            with self.subTest(change):
                if change == "inactive" and not may_be_inactive():
                    self.skipTest("the user model has no field is_active")
                ada = await make(change)
                async with connected(await browser_of(ada)) as client:
                    if change == "password":
                        ada.set_password("another")
                    elif change == "inactive":
                        ada.is_active = False
                    with self.captureOnCommitCallbacks(execute=True):
                        await (ada.adelete() if change == "deleted" else ada.asave())
                    self.assertEqual((await ended(client))[0], 4401)
