"""The client behind a proxy."""

from typing import Any

import pytest
from django.http import HttpRequest
from django.urls import path

from realtime.handshake import websocket
from realtime.testing import WebSocketClient
from realtime.types import Receive, Send

pytestmark = pytest.mark.urls(__name__)


@websocket
async def whence(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Say from where the client comes."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": request.META["REMOTE_ADDR"]})


urlpatterns = [path("whence/", whence)]


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.7, 192.0.2.1, 10.1.2.3", "192.0.2.1"),  # the first is forged
        ("127.0.0.1", "unknown", "unknown"),
        ("127.0.0.1", "10.1.2.3,127.0.0.1", "10.1.2.3"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("127.0.0.1", "192.0.2.1:50123", "192.0.2.1"),
        ("127.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("", "192.0.2.1", "192.0.2.1"),  # at a Unix socket
    ],
)
async def test_the_clients_address_is_what_a_trusted_proxy_says(
    peer: str, said: str, client: str
) -> None:
    there = (peer, 50000) if peer else None
    proxied: Any = {"headers": {"X-Forwarded-For": said}, "client": there}
    async with WebSocketClient("/whence/", **proxied) as connected:
        assert await connected.receive() == client
