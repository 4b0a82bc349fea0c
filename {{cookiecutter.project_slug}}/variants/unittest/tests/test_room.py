"""The room: what one client says, all hear."""

from django.test import SimpleTestCase

from realtime.testing import WebSocketClient

LOBBY = "/ws/rooms/lobby/"


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
