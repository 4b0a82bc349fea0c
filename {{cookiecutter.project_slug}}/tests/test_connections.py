"""The open connections, and closing them from outside."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient
from pytest_django import Settings

from realtime.connections import close, shut_down
from realtime.testing import ConnectionClosed, HandshakeRefused, WebSocketClient

pytestmark = pytest.mark.django_db


async def ended(client: WebSocketClient) -> tuple[int, str]:
    """The code and the reason with which the service closes."""
    with pytest.raises(ConnectionClosed) as closed:
        await client.receive()
    return closed.value.code, closed.value.reason


async def answers(client: WebSocketClient) -> bool:
    """Whether ping/pong is still there."""
    await client.send("ping")
    return await client.receive() == "pong!"


async def test_health_tells_how_many_are_open() -> None:
    async with WebSocketClient("/ws/"), WebSocketClient("/ws/"):
        assert (await AsyncClient().get("/healthz")).json() == {"connections": 2}
    assert (await AsyncClient().get("/healthz")).json() == {"connections": 0}


async def test_more_than_the_limit_are_refused_with_503(settings: Settings) -> None:
    settings.MAX_CONNECTIONS = 1
    async with WebSocketClient("/ws/"):
        with pytest.raises(HandshakeRefused) as refused:
            async with WebSocketClient("/ws/"):
                pass
        assert (await AsyncClient().get("/ws/")).status_code == 503  # as a browser asks
    assert refused.value.status == 503
    async with WebSocketClient("/ws/") as client:
        assert await answers(client)


async def test_shutdown_closes_all_and_takes_no_more() -> None:
    async with WebSocketClient("/ws/") as one, WebSocketClient("/ws/") as other:
        await shut_down()
        assert await ended(one) == await ended(other) == (1012, "service restart")
        with pytest.raises(HandshakeRefused, match="503"):
            async with WebSocketClient("/ws/"):
                pass


async def test_a_users_connections_are_closed_after_the_commit(
    django_capture_on_commit_callbacks: Any,
) -> None:
    ada, grace = [await User.objects.acreate(username=name) for name in ("ada", "grace")]
    async with WebSocketClient("/ws/", user=ada) as one, WebSocketClient("/ws/", user=grace) as two:
        with django_capture_on_commit_callbacks(execute=True):
            await sync_to_async(close)(4000, "kicked", user_id=ada.pk)
            assert await answers(one)
        assert await ended(one) == (4000, "kicked")
        assert await answers(two)


def test_close_asks_for_one_or_the_other() -> None:
    with pytest.raises(TypeError, match="a session_key or a user_id"):
        close(4000)
