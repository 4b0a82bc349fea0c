"""The test client itself: what would otherwise hide a fault, or make one."""

import asyncio
from typing import Any
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient, SimpleTestCase, TestCase

from realtime.broadcast import publish_on_commit
from realtime.testing import ConnectionClosed, HandshakeRefused, WebSocketClient
from realtime.tests import ended, make_user, own_settings

ACCEPT: Any = {"type": "websocket.accept"}
HELLO: Any = {"type": "websocket.send", "text": "hello"}
CLOSE: Any = {"type": "websocket.close", "code": 4000}
DENY: Any = {"type": "websocket.http.response.start", "status": 410, "headers": [(b"x", b"y")]}
BODY: Any = {"type": "websocket.http.response.body", "body": b"gone"}


def obeying(*events: Any) -> WebSocketClient:
    """A client of a loop that sends these events, and receives for each None."""
    return WebSocketClient(f"/obey/?do={quote(repr(events))}")


@own_settings
class ClientTests(TestCase):
    async def test_a_page_before_it_does_not_disturb_a_handshake(self) -> None:
        await AsyncClient().get("/")
        async with WebSocketClient("/ws/") as client:
            await client.send("ping")
            self.assertEqual(await client.receive(), "pong!")

    async def test_clients_at_the_same_time_share_the_connection_of_the_test(self) -> None:
        users = get_user_model()._default_manager
        user = await sync_to_async(make_user)("ada")

        async def visit(number: int) -> str | bytes:
            async with WebSocketClient(f"/joined/user{number}/", user=user) as client:
                return await client.receive()

        told = await asyncio.gather(*map(visit, range(10)))
        self.assertEqual(told, [user.get_username() + " http {}"] * 10)
        self.assertEqual(await users.acount(), 11)

    async def see_ada(self) -> None:
        """The handshake sees the row that this test made, and no other test's."""
        ada = await sync_to_async(make_user)("ada")
        self.assertEqual(await get_user_model()._default_manager.acount(), 1)
        async with WebSocketClient("/private/", user=ada) as client:
            self.assertEqual(await client.receive(), ada.get_username() + " http {}")

    async def test_a_row_of_the_test_is_seen(self) -> None:
        await self.see_ada()

    async def test_a_row_of_the_test_is_seen_again_so_the_first_is_rolled_back(self) -> None:
        await self.see_ada()

    async def test_a_loop_that_ignores_its_client_is_named(self) -> None:
        with self.assertRaisesMessage(TimeoutError, "/deaf/: no end of the loop in 0.1 s"):
            async with WebSocketClient("/deaf/") as client:
                client.timeout = 0.1

    async def test_a_message_that_does_not_come_is_named(self) -> None:
        async with WebSocketClient("/ws/") as client:
            client.timeout, timeout = 0.1, client.timeout
            with self.assertRaisesMessage(TimeoutError, "/ws/: no message in 0.1 s"):
                await client.receive()
            client.timeout = timeout

    async def test_a_message_that_is_no_json_is_shown(self) -> None:
        data = {"type": "websocket.send", "bytes": b"{}"}
        async with obeying(None, ACCEPT, HELLO, data) as client:
            for shown in ("'hello'", "b'{}'"):
                words = f"/obey/: a message that is no JSON: {shown}"
                with self.assertRaisesMessage(ValueError, words):
                    await client.receive_json()

    async def test_what_comes_where_nothing_was_to_come_is_shown(self) -> None:
        async with obeying(None, ACCEPT, None, HELLO, CLOSE) as client:
            self.assertTrue(await client.receive_nothing())
            await client.send("go on")
            for shown in (HELLO, "{'type': 'websocket.close', 'code': 4000"):
                words = f"/obey/: nothing was to come, but {shown}"
                with self.assertRaisesMessage(AssertionError, words):
                    await client.receive_nothing(5)

    async def test_a_loop_that_raises_unseen_fails_the_test(self) -> None:
        with self.assertLogs("django.request"), self.assertRaisesMessage(ConnectionClosed, "1011"):
            async with WebSocketClient("/fail/"):
                pass

    async def test_only_text_and_bytes_are_sent(self) -> None:
        async with WebSocketClient("/ws/") as client:
            for message in ({"a": 1}, None, 5):
                with self.assertRaisesMessage(
                    TypeError, f"a message is str or bytes, not {type(message).__name__}"
                ):
                    await client.send(message)  # type: ignore[arg-type]

    async def test_what_waits_for_the_commit_is_named_when_nothing_comes(self) -> None:
        async with WebSocketClient("/rooms/lobby/") as client:
            client.timeout, timeout = 0.1, client.timeout
            for _ in range(2):
                await sync_to_async(publish_on_commit)("room.lobby", "hello")
            words = (
                "/rooms/lobby/: no message in 0.1 s; 2 on_commit hooks wait for a commit that the "
                "test's transaction never makes, unless captureOnCommitCallbacks(execute=True) runs"
            )
            with self.assertRaisesMessage(TimeoutError, words):
                await client.receive()
            client.timeout = timeout


@own_settings
class MistakeTests(SimpleTestCase):
    """What no server takes raises in the loop, where it is sent."""

    async def mistake(self, *events: Any) -> str:
        """What the loop gets for the last of the events, and the log has."""
        with self.assertLogs("django.request") as logs:
            try:
                async with obeying(*events) as client:
                    while await client.receive():
                        pass
            except (ConnectionClosed, HandshakeRefused) as end:
                told = end
        self.assertIn(getattr(told, "status", getattr(told, "code", None)), (500, 1011))
        cause = str(told.__cause__)
        self.assertIn(f"RuntimeError: {cause}", logs.output[0])
        return cause

    async def test_a_message_is_text_or_bytes_and_nothing_else(self) -> None:
        shape = "it takes either text, a str (for JSON see realtime/messages.py), or bytes"
        key = (
            "it has no key 'json'; it takes bytes and text; "
            "json_messages(receive, send) makes text of json"
        )
        for words, message in (
            (shape, {"text": {"a": 1}}),
            (shape, {"text": b"hello"}),
            (shape, {"bytes": "hello"}),
            (shape, {"text": "hello", "bytes": b"hello"}),
            (shape, {"text": None}),
            (shape, {}),
            (key, {"json": {"a": 1}}),
            (key, {"text": "hello", "json": None}),
        ):
            with self.subTest(message):
                event = {"type": "websocket.send", **message}
                told = f"websocket.send: {words}. This was sent: {event}"
                self.assertEqual(await self.mistake(ACCEPT, event), told)

    async def test_an_event_has_its_time(self) -> None:
        early = "before the accept a server takes websocket.accept, websocket.close, "
        for words, events in (
            (f"websocket.send: {early}websocket.http.response.start", [HELLO]),
            (f"websocket.http.response.body: {early}", [BODY]),
            (
                "websocket.accept: after the accept a server takes websocket.send, websocket.close",
                [ACCEPT, HELLO, ACCEPT],
            ),
            ("websocket.http.response.start: after the accept a server takes", [ACCEPT, DENY]),
            (f"websocket.sned: {early}", [{"type": "websocket.sned"}]),
        ):
            with self.subTest(words):
                self.assertTrue((told := await self.mistake(*events)).startswith(words), told)

    async def test_nothing_follows_a_close(self) -> None:
        for event in (HELLO, CLOSE, ACCEPT):
            words = f"{event['type']}: after the close a server takes nothing more: return from"
            with (
                self.subTest(event),
                self.assertLogs("django.request") as logs,
                self.assertRaisesMessage(RuntimeError, words),
            ):
                async with obeying(ACCEPT, CLOSE, event) as client:
                    self.assertEqual(await ended(client), (4000, ""))
            self.assertIn(words, logs.output[0])

    async def test_nothing_is_received_after_the_disconnect(self) -> None:
        words = "receive() after websocket.disconnect: return from the loop instead"
        with (
            self.assertLogs("django.request") as logs,
            self.assertRaisesMessage(ConnectionClosed, "1011") as raised,
        ):
            async with obeying(None, ACCEPT, None, None):
                pass
        self.assertEqual(str(raised.exception.__cause__), words)
        self.assertIn(words, logs.output[0])

    async def test_what_a_server_takes_is_let_through(self) -> None:
        data = {"type": "websocket.send", "text": None, "bytes": b"\0"}
        last = {"type": "websocket.close", "reason": None}
        accept = ACCEPT | {"subprotocol": None, "headers": [(b"x", b"y")]}
        async with obeying(None, accept, HELLO, data, last) as client:
            self.assertEqual([await client.receive() for _ in range(2)], ["hello", b"\0"])
            self.assertEqual(await ended(client), (1000, ""))
        async with obeying(None, ACCEPT, None, HELLO, CLOSE):  # when the client has left
            pass

    async def test_a_loop_may_refuse_before_its_accept(self) -> None:
        for status, events in ((410, [DENY, BODY]), (403, [CLOSE])):
            with self.assertRaises(HandshakeRefused) as raised:
                async with obeying(*events):
                    pass
            self.assertEqual(raised.exception.status, status)
