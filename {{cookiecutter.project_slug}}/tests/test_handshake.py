"""Handshakes that are refused."""

from typing import Any

import pytest
from django.test import AsyncClient

from realtime.testing import HandshakeRefused, WebSocketClient

pytestmark = pytest.mark.urls("tests.urls")


async def refusal(path: str, **options: Any) -> HandshakeRefused:
    """The refusal of a handshake."""
    with pytest.raises(HandshakeRefused) as refused:
        async with WebSocketClient(path, **options):
            pass
    return refused.value


async def test_an_unknown_path_is_refused_with_404() -> None:
    assert (await refusal("/nowhere/")).status == 404


async def test_a_page_is_no_websocket() -> None:
    assert (await refusal("/admin/login/")).status == 404


async def test_a_foreign_host_is_refused_with_400() -> None:
    assert (await refusal("/ws/", headers={"Host": "evil.example"})).status == 400


async def test_a_view_that_raises_refuses_with_500() -> None:
    assert (await refusal("/broken/")).status == 500


async def test_a_server_without_denial_responses_is_told_to_close() -> None:
    assert (await refusal("/nowhere/", extensions={})).status == 403


async def test_a_refusal_has_the_body_and_the_headers_of_the_response() -> None:
    refused = await refusal("/nowhere/")
    assert b"Not Found" in refused.body
    assert refused.headers["x-frame-options"] == "DENY"
    assert refused.headers["content-length"] == str(len(refused.body))


async def test_plain_http_is_told_to_upgrade() -> None:
    response = await AsyncClient().get("/ws/")
    assert response.status_code == 426
    assert response.headers["Upgrade"] == "websocket"
    assert "a proxy may have dropped the Upgrade header" in response.content.decode()
