"""Logout closes the connections of a session, other changes those of a user."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest
from django.test import AsyncClient

from realtime.testing import ConnectionClosed, WebSocketClient

pytestmark = pytest.mark.django_db


@asynccontextmanager
async def connected(browser: AsyncClient) -> AsyncIterator[WebSocketClient]:
    """A connection with the session of a browser."""
    cookie = browser.cookies.output(attrs=[], header="", sep=";").strip()
    async with WebSocketClient("/ws/", headers={"Cookie": cookie}) as client:
        yield client


async def ended(client: WebSocketClient) -> tuple[int, str]:
    """The code and the reason with which the service closes."""
    with pytest.raises(ConnectionClosed) as closed:
        await client.receive()
    return closed.value.code, closed.value.reason


async def browser_of(user: User) -> AsyncClient:
    """A browser in which the user is logged in."""
    browser = AsyncClient()
    await browser.aforce_login(user)
    return browser


async def test_logout_closes_this_session_and_no_other(
    django_capture_on_commit_callbacks: Any,
) -> None:
    ada = await User.objects.acreate(username="ada")
    leaving, staying = await browser_of(ada), await browser_of(ada)
    async with connected(leaving) as one, connected(staying) as other:
        with django_capture_on_commit_callbacks(execute=True):
            await leaving.alogout()
        assert await ended(one) == (4401, "logged out")
        await other.send("ping")
        assert await other.receive() == "pong!"


async def test_a_handshake_before_the_session_is_deleted_does_not_outlive_the_logout(
    django_capture_on_commit_callbacks: Any,
) -> None:
    browser = await browser_of(await User.objects.acreate(username="ada"))
    async with WebSocketClient("/ws/"):  # the service is there, and hears of the logout
        request = HttpRequest()
        request.session = await browser.asession()
        with django_capture_on_commit_callbacks(execute=True):
            await user_logged_out.asend(sender=User, request=request, user=None)
        async with connected(browser) as late:
            assert await ended(late) == (4401, "logged out")


@pytest.mark.parametrize("change", ["password", "is_active", "deleted"])
async def test_a_user_who_may_no_longer_log_in_is_closed(
    change: str, django_capture_on_commit_callbacks: Any
) -> None:
    ada = await User.objects.acreate(username="ada")
    async with connected(await browser_of(ada)) as client:
        ada.is_active = change != "is_active"
        if change == "password":
            ada.set_password("another")
        with django_capture_on_commit_callbacks(execute=True):
            await (ada.adelete() if change == "deleted" else ada.asave())
        assert (await ended(client))[0] == 4401
