"""The loops of config/websocket.py."""

from django.test import SimpleTestCase

from realtime.testing import WebSocketClient

LOBBY = "/ws/rooms/lobby/"


class PingPongTests(SimpleTestCase):
    async def test_ping_is_answered_with_pong(self) -> None:
        async with WebSocketClient("/ws/") as client:
            await client.send("ping")
            self.assertEqual(await client.receive(), "pong!")

    async def test_any_other_message_is_ignored(self) -> None:
        for message in (b"ping", b"", "", "PING", "x" * 1_000_000):
            with self.subTest(message[:10]):
                async with WebSocketClient("/ws/") as client:
                    await client.send(message)
                    await client.send("ping")
                    self.assertEqual(await client.receive(), "pong!")

    async def test_a_server_that_sends_both_keys_is_understood(self) -> None:
        async with WebSocketClient("/ws/") as client:
            for event in ({"bytes": b"ping", "text": None}, {"bytes": None, "text": "ping"}):
                await client.service.send_input({"type": "websocket.receive", **event})
            self.assertEqual(await client.receive(), "pong!")
            self.assertTrue(client.service.output_queue.empty())

    async def test_an_unknown_event_is_ignored(self) -> None:
        async with WebSocketClient("/ws/") as client:
            await client.service.send_input({"type": "websocket.invented"})
            await client.send("ping")
            self.assertEqual(await client.receive(), "pong!")


class RoomTests(SimpleTestCase):
    async def test_what_one_says_reaches_the_room_and_no_other(self) -> None:
        async with (
            WebSocketClient(LOBBY) as one,
            WebSocketClient(LOBBY) as other,
            WebSocketClient("/ws/rooms/attic/") as stranger,
        ):
            await one.send("hello")
            await stranger.send("mine")
            for client in (one, other):
                self.assertEqual(await client.receive(), "hello")
            self.assertEqual(await stranger.receive(), "mine")

    async def test_ping_in_a_room_is_answered_to_whom_sent_it_alone(self) -> None:
        async with WebSocketClient(LOBBY) as one, WebSocketClient(LOBBY) as other:
            await one.send("ping")
            self.assertEqual(await one.receive(), "pong!")
            await one.send("hello")
            for client in (one, other):
                self.assertEqual(await client.receive(), "hello")
