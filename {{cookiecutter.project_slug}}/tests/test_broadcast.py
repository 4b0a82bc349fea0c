"""Channels: who gets what is published."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from realtime.broadcast import publish, publish_on_commit
from realtime.testing import WebSocketClient

ROOM = "/ws/rooms/lobby/"


async def test_what_one_says_reaches_the_room_and_no_other() -> None:
    async with (
        WebSocketClient(ROOM) as one,
        WebSocketClient(ROOM) as other,
        WebSocketClient("/ws/rooms/attic/") as stranger,
    ):
        for text in ("hello", "", "again"):
            await one.send(text)
        await stranger.send("mine")
        for client in (one, other):
            assert [await client.receive() for _ in range(3)] == ["hello", "", "again"]
        assert await stranger.receive() == "mine"


async def test_ping_in_a_room_is_answered_to_whom_sent_it_alone() -> None:
    async with WebSocketClient(ROOM) as one, WebSocketClient(ROOM) as other:
        await one.send("ping")
        assert await one.receive() == "pong!"
        await one.send("hello")
        for client in (one, other):
            assert await client.receive() == "hello"


async def test_synchronous_code_publishes_text_and_bytes() -> None:
    async with WebSocketClient(ROOM) as client:
        await asyncio.to_thread(publish_on_commit, "room.lobby", "from a thread")
        await sync_to_async(publish_on_commit)("room.lobby", b"\0\1")
        assert [await client.receive() for _ in range(2)] == ["from a thread", b"\0\1"]


@pytest.mark.django_db
async def test_a_transaction_publishes_when_it_commits_and_never_when_it_is_rolled_back(
    django_capture_on_commit_callbacks: Any,
) -> None:
    def work() -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            publish_on_commit("room.lobby", "rolled back")
            raise ZeroDivisionError
        publish_on_commit("room.lobby", "committed")

    async with WebSocketClient(ROOM) as client:
        with django_capture_on_commit_callbacks(execute=True):
            await sync_to_async(work)()
            await publish("room.lobby", "meanwhile")
        assert [await client.receive() for _ in range(2)] == ["meanwhile", "committed"]


async def test_a_message_is_text_or_bytes() -> None:
    with pytest.raises(TypeError, match="a message is str or bytes, not int: 5"):
        await publish("numbers", 5)  # type: ignore[arg-type]
