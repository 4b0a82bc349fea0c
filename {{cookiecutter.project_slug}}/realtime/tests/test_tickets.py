"""Tickets: how a client without a cookie gets in."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any
from unittest.mock import Mock, patch

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, TestCase, override_settings
from django.urls import path

from realtime.closing import close
from realtime.connections import belonging
from realtime.handshake import websocket
from realtime.testing import HandshakeRefused, WebSocketClient
from realtime.tests import (
    OWN,
    answers,
    browser_of,
    connected,
    ended,
    make_user,
    own_settings,
    refusal,
)
from realtime.tests.service import ping_pong
from realtime.tickets import ticket
from realtime.types import Receive, Send


def by_token(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Another authentication than a session's: a header that names the user."""

    def answer(request: HttpRequest) -> Any:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Token":
            request.user = get_user_model()._default_manager.get(pk=key)
        return get_response(request)

    return answer


@websocket
async def tell(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Say who is there, by which session, and what the client has offered."""
    await send({"type": "websocket.accept"})
    user = await request.auser()
    offered = request.scope["subprotocols"]  # type: ignore[attr-defined]
    same = user == request.user and user.is_authenticated
    said = [same, user.pk, request.session.session_key, offered]
    await send({"type": "websocket.send", "text": str(said)})


def touch(request: HttpRequest) -> HttpResponse:
    """Change the session in a view."""
    request.session["seen"] = True
    return tell(request)  # type: ignore[return-value]


urlpatterns = [
    path("ticket/", ticket),
    path("ws/", login_required(ping_pong)),
    path("tell/", login_required(tell)),
    path("touch/", touch),
]
MIDDLEWARE = [*OWN["MIDDLEWARE"], f"{__name__}.by_token", "realtime.tickets.tickets"]


@override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE)
@own_settings
class TicketCase(TestCase):
    ada: Any

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = make_user("ada")

    async def fetched(self, browser: AsyncClient | None = None) -> str:
        """A ticket of ada's, by a session or by a token."""
        headers = {} if browser else {"Authorization": f"Token {self.ada.pk}"}
        answer = await (browser or AsyncClient(enforce_csrf_checks=True)).post(
            "/ticket/", headers=headers
        )
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        return str(answer.json()["ticket"])

    def offering(self, *offered: str, path: str = "/ws/", **options: Any) -> WebSocketClient:
        return WebSocketClient(path, subprotocols=["realtime", *offered], **options)

    async def refused(self, ticket: str) -> str:
        """Why the ticket is refused, as its client is told and the log says in one line."""
        with self.assertLogs("django.request", "WARNING") as logs:
            refused = await refusal("/ws/", subprotocols=["realtime", ticket])
        self.assertEqual((refused.status, len(logs.output)), (401, 1))
        self.assertIn(refused.body.decode().strip(), logs.output[0])
        self.assertNotIn(ticket, logs.output[0])
        return refused.body.decode()


class TicketTests(TicketCase):
    async def test_a_ticket_lets_its_user_in_by_whatever_it_was_asked_for(self) -> None:
        for browser in (None, await browser_of(self.ada)):
            key = browser and (await browser.asession()).session_key
            offered = [await self.fetched(browser), "mine"]
            stale = {"Cookie": "sessionid=stale"}
            async with self.offering(*offered, path="/tell/", headers=stale) as client:
                self.assertEqual(client.accepted["subprotocol"], "realtime")
                self.assertFalse(client.accepted.get("headers"))  # no cookie
                said = await client.receive()
            self.assertEqual(said, str([True, self.ada.pk, key, ["realtime", "mine"]]))

    async def test_a_ticket_has_only_what_a_subprotocol_may_have(self) -> None:
        self.assertRegex(await self.fetched(), r"^ticket\.[\w.-]{40,100}$")

    async def test_a_ticket_is_good_once_however_many_try_at_once(self) -> None:
        ticket = await self.fetched()

        async def tries() -> int:
            try:
                async with self.offering(ticket) as client:
                    return int(await answers(client))
            except HandshakeRefused:
                return 0

        self.assertEqual(sum(await asyncio.gather(*(tries() for _ in range(5)))), 1)
        self.assertIn("used already", await self.refused(ticket))

    async def test_what_is_no_ticket_of_this_service_or_too_old_is_refused(self) -> None:
        self.assertIn("forged", await self.refused(f"{await self.fetched()}x"))
        self.assertIn("forged", await self.refused("ticket."))
        with self.settings(SECRET_KEY="another service's"):
            stranger = await self.fetched()
        self.assertIn("another service's", await self.refused(stranger))
        with patch("realtime.tickets.SECONDS", 0):
            late = await self.fetched()
        self.assertIn("expired", await self.refused(late))

    async def test_a_handshake_with_a_ticket_sets_and_deletes_no_session(self) -> None:
        browser = await browser_of(self.ada)
        for given in (None, browser):
            offered = ["realtime", await self.fetched(given)]
            async with WebSocketClient("/touch/", subprotocols=offered) as client:
                await client.receive()
                self.assertFalse(client.accepted.get("headers"))
        key = (await browser.asession()).session_key
        store = import_module(settings.SESSION_ENGINE).SessionStore
        self.assertTrue(await sync_to_async(store().exists)(key))

    async def test_pages_and_handshakes_without_a_ticket_are_as_they_were(self) -> None:
        async with connected(await browser_of(self.ada)) as client:
            self.assertTrue(await answers(client))
            self.assertIsNone(client.accepted.get("subprotocol"))
        self.assertEqual((await refusal("/ws/", subprotocols=["realtime"])).status, 302)

    async def test_a_cache_that_is_away_refuses_for_now(self) -> None:
        ticket = await self.fetched()
        away = patch.multiple(
            LocMemCache, get=Mock(side_effect=OSError), set=Mock(side_effect=OSError)
        )
        with away, self.assertLogs("realtime", "WARNING") as logs:
            refused = await refusal("/ws/", subprotocols=[ticket])
            browser = await browser_of(self.ada)
            answer = await browser.post("/ticket/")
        for status, headers in (
            (refused.status, refused.headers),
            (answer.status_code, answer.headers),
        ):
            self.assertEqual((status, headers["Retry-After".lower()]), (503, "5"))
        self.assertEqual(len(logs.output), 2)
        self.assertIn("the cache does not answer", logs.output[0])

    async def test_a_database_that_is_away_refuses_for_now(self) -> None:
        for browser in (None, await browser_of(self.ada)):
            ticket, away = await self.fetched(browser), OperationalError("away")
            with patch("realtime.tickets.get_user", side_effect=away):
                with patch("realtime.tickets.user_of", side_effect=away):
                    with self.assertLogs("realtime", "WARNING") as logs:
                        self.assertEqual((await refusal("/ws/", subprotocols=[ticket])).status, 503)
            self.assertIn("the database does not answer", logs.output[0])

    async def test_what_a_client_offers_is_left_as_it_was(self) -> None:
        offered = ["realtime", await self.fetched()]
        given = [*offered]
        async with WebSocketClient("/ws/", subprotocols=given) as client:
            self.assertTrue(await answers(client))
        self.assertEqual(given, offered)
        async with WebSocketClient(
            "/ws/", subprotocols=("realtime", await self.fetched())
        ) as client:
            self.assertTrue(await answers(client))
        self.assertEqual((await refusal("/ws/", subprotocols=None)).status, 302)


class LoginTests(TicketCase):
    async def test_a_ticket_of_a_login_that_has_ended_is_refused(self) -> None:
        browser = await browser_of(self.ada)
        tickets = [await self.fetched(browser), await self.fetched()]
        async with WebSocketClient("/tell/", user=self.ada):  # the service hears of the logout
            with self.captureOnCommitCallbacks(execute=True):
                await browser.alogout()
            self.assertIn("login", await self.refused(tickets[0]))
        self.ada.set_password("another")
        await self.ada.asave()
        self.assertIn("login", await self.refused(tickets[1]))
        with self.assertLogs("django.request", "WARNING"):
            answer = await AsyncClient().post("/ticket/")
        self.assertEqual(answer.status_code, 401)
        self.assertEqual((await AsyncClient().get("/ticket/")).status_code, 405)

    async def test_a_connection_by_ticket_ends_with_its_session_and_its_user(self) -> None:
        browser = await browser_of(self.ada)
        async with self.offering(await self.fetched(browser)) as client:
            [connection] = belonging({"user_id": str(self.ada.pk)})
            self.assertIn("login", dict(connection.keys))  # so its session is looked up
            with self.captureOnCommitCallbacks(execute=True):
                await browser.alogout()
            self.assertEqual(await ended(client), (4401, "logged out"))
        async with self.offering(await self.fetched()) as client:
            with self.captureOnCommitCallbacks(execute=True):
                await sync_to_async(close)(4000, "kicked", user_id=self.ada.pk)
            self.assertEqual(await ended(client), (4000, "kicked"))
