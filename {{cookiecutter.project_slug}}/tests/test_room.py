"""The room: what one client says, all hear."""

from realtime.testing import WebSocketClient

LOBBY = "/ws/rooms/lobby/"


async def test_what_one_says_reaches_the_room_and_no_other() -> None:
    async with (
        WebSocketClient(LOBBY) as one,
        WebSocketClient(LOBBY) as other,
        WebSocketClient("/ws/rooms/attic/") as stranger,
    ):
        await one.send("hello")
        await stranger.send("mine")
        for client in (one, other):
            assert await client.receive() == "hello"
        assert await stranger.receive() == "mine"


async def test_ping_in_a_room_is_answered_to_whom_sent_it_alone() -> None:
    async with WebSocketClient(LOBBY) as one, WebSocketClient(LOBBY) as other:
        await one.send("ping")
        assert await one.receive() == "pong!"
        await one.send("hello")
        for client in (one, other):
            assert await client.receive() == "hello"
