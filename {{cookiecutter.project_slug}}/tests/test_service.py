"""The service as a whole: what its ASGI application and its routes answer."""

import pytest
from asgiref.testing import ApplicationCommunicator
from django.test import AsyncClient

from config.asgi import application
from realtime.testing import HandshakeRefused, WebSocketClient


async def test_it_starts_and_stops() -> None:
    server = ApplicationCommunicator(application, {"type": "lifespan", "state": {}})
    await server.send_input({"type": "lifespan.startup"})
    assert await server.receive_output() == {"type": "lifespan.startup.complete"}
    await server.send_input({"type": "lifespan.shutdown"})
    assert await server.receive_output() == {"type": "lifespan.shutdown.complete"}
    await server.wait()


async def test_an_unknown_scope_type_is_named() -> None:
    with pytest.raises(NotImplementedError, match="'telnet'"):
        await ApplicationCommunicator(application, {"type": "telnet"}).wait()


async def test_health_tells_how_many_connections_are_open() -> None:
    async with WebSocketClient("/ws/"):
        assert (await AsyncClient().get("/healthz")).json() == {"connections": 1}


@pytest.mark.parametrize("path", ["/nowhere/", "/login/"])
async def test_what_is_no_websocket_is_refused_with_404(path: str) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        async with WebSocketClient(path):
            pass
    assert refused.value.status == 404
