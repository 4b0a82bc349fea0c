"""Which pages may connect: the Origin header, scheme and port included."""

from typing import Any

import pytest
from pytest_django import Settings

from realtime.testing import HandshakeRefused, WebSocketClient

pytestmark = pytest.mark.urls("tests.urls")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://testserver", "http://testserver:8000", "null", "http://[", ""],
)
async def test_a_foreign_origin_is_refused_with_403(origin: str) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        async with WebSocketClient("/ws/", headers={"Origin": origin}):
            pass
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "origin", ["http://testserver", "https://app.example.com", "https://deep.sub.example.org"]
)
async def test_its_own_and_trusted_origins_are_accepted(origin: str) -> None:
    async with WebSocketClient("/ws/", headers={"Origin": origin}) as client:
        await client.send("ping")
        assert await client.receive() == "pong!"


@pytest.mark.parametrize(
    "secure",
    [
        {"scheme": "wss"},
        {"headers": {"X-Forwarded-Proto": "https"}},
        {"headers": {"X-Forwarded-Proto": "wss"}},
    ],
    ids=str,
)
async def test_wss_is_as_secure_as_https(settings: Settings, secure: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    async with WebSocketClient("/tell/hello/", **secure) as client:
        assert await client.receive() == "AnonymousUser https {'word': 'hello'}"
