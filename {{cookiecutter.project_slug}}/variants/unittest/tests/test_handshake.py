"""Handshakes that are refused."""

from typing import Any

from django.test import AsyncClient, SimpleTestCase, override_settings

from realtime.testing import HandshakeRefused, WebSocketClient


@override_settings(ROOT_URLCONF="tests.urls")
class HandshakeTests(SimpleTestCase):
    async def refusal(self, path: str, **options: Any) -> HandshakeRefused:
        """The refusal of a handshake."""
        with self.assertRaises(HandshakeRefused) as refused:
            async with WebSocketClient(path, **options):
                pass
        return refused.exception

    async def test_an_unknown_path_is_refused_with_404(self) -> None:
        self.assertEqual((await self.refusal("/nowhere/")).status, 404)

    async def test_a_page_is_no_websocket(self) -> None:
        self.assertEqual((await self.refusal("/admin/login/")).status, 404)

    async def test_a_foreign_host_is_refused_with_400(self) -> None:
        refused = await self.refusal("/ws/", headers={"Host": "evil.example"})
        self.assertEqual(refused.status, 400)

    async def test_a_view_that_raises_refuses_with_500(self) -> None:
        self.assertEqual((await self.refusal("/broken/")).status, 500)

    async def test_a_server_without_denial_responses_is_told_to_close(self) -> None:
        self.assertEqual((await self.refusal("/nowhere/", extensions={})).status, 403)

    async def test_a_refusal_has_the_body_and_the_headers_of_the_response(self) -> None:
        refused = await self.refusal("/nowhere/")
        self.assertIn(b"Not Found", refused.body)
        self.assertEqual(refused.headers["x-frame-options"], "DENY")
        self.assertEqual(refused.headers["content-length"], str(len(refused.body)))

    async def test_plain_http_is_told_to_upgrade(self) -> None:
        response = await AsyncClient().get("/ws/")
        self.assertEqual(response.status_code, 426)
        self.assertEqual(response.headers["Upgrade"], "websocket")
        self.assertIn("a proxy may have dropped the Upgrade header", response.content.decode())
