"""The test client itself: what would otherwise hide a fault, or make one."""

import asyncio

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient

from realtime.testing import ConnectionClosed, WebSocketClient

pytestmark = pytest.mark.urls("tests.urls")


async def test_a_page_before_it_does_not_disturb_a_handshake() -> None:
    await AsyncClient().get("/")
    async with WebSocketClient("/ws/") as client:
        await client.send("ping")
        assert await client.receive() == "pong!"


@pytest.mark.django_db
async def test_clients_at_the_same_time_share_the_connection_of_the_test() -> None:
    user = await User.objects.acreate(username="ada")

    async def visit(number: int) -> str | bytes:
        async with WebSocketClient(f"/joined/user{number}/", user=user) as client:
            return await client.receive()

    assert await asyncio.gather(*map(visit, range(10))) == ["ada"] * 10
    assert await User.objects.acount() == 11


async def test_a_loop_that_ignores_its_client_is_named() -> None:
    with pytest.raises(TimeoutError, match=r"/deaf/: no end of the loop in 0\.1 s"):
        async with WebSocketClient("/deaf/") as client:
            client.timeout = 0.1


async def test_a_message_that_does_not_come_is_named() -> None:
    async with WebSocketClient("/ws/") as client:
        client.timeout, timeout = 0.1, client.timeout
        with pytest.raises(TimeoutError, match=r"/ws/: no message in 0\.1 s"):
            await client.receive()
        client.timeout = timeout


async def test_a_loop_that_raises_unseen_fails_the_test() -> None:
    with pytest.raises(ConnectionClosed, match="1011"):
        async with WebSocketClient("/fail/"):
            pass
