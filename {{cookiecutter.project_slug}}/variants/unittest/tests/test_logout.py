"""Logout closes the connections of a session, other changes those of a user."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest
from django.test import AsyncClient, TestCase

from realtime.testing import ConnectionClosed, WebSocketClient


@asynccontextmanager
async def connected(browser: AsyncClient) -> AsyncIterator[WebSocketClient]:
    """A connection with the session of a browser."""
    cookie = browser.cookies.output(attrs=[], header="", sep=";").strip()
    async with WebSocketClient("/ws/", headers={"Cookie": cookie}) as client:
        yield client


async def browser_of(user: User) -> AsyncClient:
    """A browser in which the user is logged in."""
    browser = AsyncClient()
    await browser.aforce_login(user)
    return browser


class LogoutTests(TestCase):
    async def ended(self, client: WebSocketClient) -> tuple[int, str]:
        """The code and the reason with which the service closes."""
        with self.assertRaises(ConnectionClosed) as closed:
            await client.receive()
        return closed.exception.code, closed.exception.reason

    async def test_logout_closes_this_session_and_no_other(self) -> None:
        ada = await User.objects.acreate(username="ada")
        leaving, staying = await browser_of(ada), await browser_of(ada)
        async with connected(leaving) as one, connected(staying) as other:
            with self.captureOnCommitCallbacks(execute=True):
                await leaving.alogout()
            self.assertEqual(await self.ended(one), (4401, "logged out"))
            await other.send("ping")
            self.assertEqual(await other.receive(), "pong!")

    async def test_a_handshake_before_the_session_is_deleted_does_not_outlive_the_logout(
        self,
    ) -> None:
        browser = await browser_of(await User.objects.acreate(username="ada"))
        async with WebSocketClient("/ws/"):  # the service is there, and hears of the logout
            request = HttpRequest()
            request.session = await browser.asession()
            with self.captureOnCommitCallbacks(execute=True):
                await user_logged_out.asend(sender=User, request=request, user=None)
            async with connected(browser) as late:
                self.assertEqual(await self.ended(late), (4401, "logged out"))

    async def test_a_user_who_may_no_longer_log_in_is_closed(self) -> None:
        for change in ("password", "is_active", "deleted"):
            with self.subTest(change):
                ada = await User.objects.acreate(username=change)
                async with connected(await browser_of(ada)) as client:
                    ada.is_active = change != "is_active"
                    if change == "password":
                        ada.set_password("another")
                    with self.captureOnCommitCallbacks(execute=True):
                        await (ada.adelete() if change == "deleted" else ada.asave())
                    self.assertEqual((await self.ended(client))[0], 4401)
