"""What ends a login, and so the connections that it has opened."""

import asyncio
import time
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.models import Session
from django.core.exceptions import FieldDoesNotExist
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.test import TestCase
from django.utils import timezone

from realtime import connections
from realtime.logins import look
from realtime.testing import WebSocketClient
from realtime.tests import (
    answers,
    browser_of,
    connected,
    ended,
    make_user,
    nowhere,
    own_settings,
    refusal,
)

make = sync_to_async(make_user)


def may_be_inactive() -> bool:
    """Whether users of this project can be deactivated."""
    try:
        get_user_model()._meta.get_field("is_active")
    except FieldDoesNotExist:
        return False
    return True


@own_settings
class LoginTests(TestCase):
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
            cookie = browser.cookies.output(attrs=[], header="", sep=";").strip()
            refused = await refusal("/tell/late/", headers={"Cookie": cookie})
            self.assertEqual(refused.status, 403)  # the loop has not run

    async def test_another_login_in_the_session_ends_what_it_replaces(self) -> None:
        ada, grace = await make("ada"), await make("grace")
        for before, code in ((ada, 4401), (None, 1012)):  # who was nobody has lost no right
            browser = await browser_of(before)
            async with connected(browser) as client:
                with self.captureOnCommitCallbacks(execute=True):
                    await browser.aforce_login(grace)
                self.assertEqual(await ended(client), (code, "session ended"))

    async def test_another_login_of_the_same_user_ends_nothing(self) -> None:
        browser = await browser_of(ada := await make("ada"))
        async with connected(browser) as client:
            with self.captureOnCommitCallbacks(execute=True):
                await browser.aforce_login(ada)
            self.assertTrue(await answers(client))

    async def test_a_deleted_session_ends_its_connections(self) -> None:
        leaving, staying = [await browser_of(await make(name)) for name in ("ada", "grace")]
        key = (await leaving.asession()).session_key
        async with connected(leaving) as one, connected(staying) as other:
            with self.captureOnCommitCallbacks(execute=True):
                await Session.objects.filter(session_key=key).adelete()
            self.assertEqual(await ended(one), (4401, "session ended"))
            self.assertTrue(await answers(other))

    async def test_a_session_that_ends_without_a_signal_is_noticed(self) -> None:
        for how in ("expired", "deleted past Django"):
            leaving, staying = [await browser_of(await make(f"{name}{how}")) for name in "ab"]
            keys = [(await browser.asession()).session_key for browser in (leaving, staying)]
            rows = Session.objects.filter(session_key=keys[0])
            async with connected(leaving) as one, connected(staying) as other:
                if how == "expired":
                    await rows.aupdate(expire_date=timezone.now())
                else:
                    await sync_to_async(rows._raw_delete)("default")
                found = [connections.belonging({"session_key": str(key)}) for key in keys]
                await look({str(key): [*some] for key, some in zip(keys, found, strict=True)})
                self.assertEqual(await ended(one), (4401, "session ended"))
                self.assertTrue(await answers(other))
                [still] = found[1]
                self.assertGreater(still.due, time.monotonic() + 20)  # until the next look

    async def test_a_namesake_in_another_database_closes_nothing(self) -> None:
        ada = await make("ada")
        async with connected(await browser_of(ada)) as client:
            for signal, told in ((post_save, {"created": False}), (post_delete, {})):
                with self.captureOnCommitCallbacks(execute=True):
                    sent = {"instance": ada, "using": "another", **told}
                    await sync_to_async(signal.send)(get_user_model(), **sent)
            self.assertTrue(await answers(client))

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
