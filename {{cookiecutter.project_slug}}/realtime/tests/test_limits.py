"""How much one client may, and one user."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from contextvars import Context
from itertools import count
from random import random
from unittest.mock import AsyncMock, Mock, patch

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.test import TestCase, override_settings
from django.urls import path

from realtime.connections import current
from realtime.handshake import websocket
from realtime.limits import limited
from realtime.testing import WebSocketClient
from realtime.tests import answers, browser_of, ended, make_user, own_settings, refusal
from realtime.tests.service import ping_pong
from realtime.types import Receive, Send


@websocket
async def echo(request: HttpRequest, receive: Receive, send: Send, slow: bool) -> None:
    """Say what the client says, of which it may say twenty a second, five at once."""
    receive = limited(receive, 20, burst=5, slow=slow)
    await receive()
    await send({"type": "websocket.accept"})
    while text := (await receive()).get("text"):
        await send({"type": "websocket.send", "text": text})


@websocket
async def impatient(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Wait for each message for no longer than a tenth of a second at a time."""
    receive = limited(receive, 5, burst=5, slow=True)
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            await send({"type": "websocket.send", "text": event["text"]})


urlpatterns = [
    path("impatient/", impatient),
    path("strict/", echo, {"slow": False}),
    path("slow/", echo, {"slow": True}),
    path("ws/", ping_pong),
    path("private/", login_required(ping_pong)),
]


@override_settings(ROOT_URLCONF=__name__, MAX_CONNECTIONS_PER_USER=2)
@own_settings
class LimitTests(TestCase):
    async def test_a_client_that_says_too_much_is_closed_with_4429(self) -> None:
        async with WebSocketClient("/strict/") as client, WebSocketClient("/strict/") as other:
            for number in range(7):
                await client.send(str(number))
            for number in range(5):
                self.assertEqual(await client.receive(), str(number))
            self.assertEqual(await ended(client), (4429, "too many messages"))
            await other.send("hello")
            self.assertEqual(await other.receive(), "hello")

    async def test_after_a_silence_a_burst_may_come_again(self) -> None:
        async with WebSocketClient("/strict/") as client:
            for _ in range(2):
                for number in range(5):
                    await client.send(str(number))
                    self.assertEqual(await client.receive(), str(number))
                await asyncio.sleep(0.25)  # in which five may come
            await client.receive_nothing()

    async def test_a_client_that_is_slowed_waits_and_loses_nothing(self) -> None:
        async with WebSocketClient("/slow/") as client:
            begin = time.monotonic()
            for number in range(10):
                await client.send(str(number))
            for number in range(10):
                self.assertEqual(await client.receive(), str(number))
            self.assertGreater(time.monotonic() - begin, 0.24)  # five more than the burst

    async def test_a_loop_that_waits_so_long_and_no_longer_loses_nothing(self) -> None:
        async with WebSocketClient("/impatient/") as client:
            for number in range(8):
                await client.send(str(number))
            for number in range(8):
                self.assertEqual(await client.receive(), str(number))

    def test_the_burst_is_taken_at_any_rate_and_time_and_not_one_message_more(self) -> None:
        def come(clock: float, rate: float, burst: int) -> int:
            """How many of those that come at once are taken."""
            current.set(Mock(end=Mock(side_effect=asyncio.CancelledError)))
            event = {"type": "websocket.receive", "text": ""}
            receive_limited = limited(AsyncMock(return_value=event), rate, burst)
            with patch("realtime.limits.time.monotonic", lambda: clock):
                for taken in count():
                    try:
                        receive_limited().send(None)  # type: ignore[attr-defined]
                    except StopIteration:
                        pass
                    except asyncio.CancelledError:
                        return taken
            raise AssertionError

        for rate in (0.1, 1, 3, 5, 7, 10, 20, 50, 1000):
            for burst in (1, 2, 50):
                clocks = [random() * 10**place for place in range(7)]
                taken = {Context().run(come, clock, rate, burst) for clock in clocks}
                self.assertEqual(taken, {burst}, rate)

    def test_a_limit_that_is_none_is_refused(self) -> None:
        for rate, burst in ((0, 5), (-1, 5), (5, 0)):
            with self.assertRaisesRegex(ValueError, "a rate above 0 and a burst of 1 or more"):
                limited(Mock(), rate, burst)

    async def test_one_connection_too_many_of_a_user_is_refused_with_429(self) -> None:
        ada, bob = [await sync_to_async(make_user)(name) for name in ("ada", "bob")]
        async with AsyncExitStack() as stack:
            for user in (ada, ada, bob, None, None, None):
                client = WebSocketClient("/ws/", user=user)
                self.assertTrue(await answers(await stack.enter_async_context(client)))
            with self.assertLogs("realtime", "WARNING") as logs:
                refused = await refusal("/ws/", user=ada)
            self.assertEqual(refused.status, 429)
            self.assertEqual(refused.headers["retry-after"], "5")
            self.assertIn(f"too many connections of user {ada.pk}", logs.output[0])
            browser = await browser_of(ada)  # as a page asks why
            self.assertEqual((await browser.get("/private/")).status_code, 429)
            browser = await browser_of(bob)
            self.assertEqual((await browser.get("/private/")).status_code, 426)
        async with WebSocketClient("/ws/", user=ada) as client:
            self.assertTrue(await answers(client))
