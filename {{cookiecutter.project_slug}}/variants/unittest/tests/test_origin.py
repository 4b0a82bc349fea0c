"""Which pages may connect: the Origin header, scheme and port included."""

from typing import Any

from django.test import SimpleTestCase, override_settings

from realtime.testing import HandshakeRefused, WebSocketClient


@override_settings(ROOT_URLCONF="tests.urls")
class OriginTests(SimpleTestCase):
    async def test_a_foreign_origin_is_refused_with_403(self) -> None:
        foreign = ["http://evil.example", "https://testserver", "http://testserver:8000"]
        for origin in (*foreign, "null", "http://[", ""):
            with self.subTest(origin), self.assertRaises(HandshakeRefused) as refused:
                async with WebSocketClient("/ws/", headers={"Origin": origin}):
                    pass
            self.assertEqual(refused.exception.status, 403)

    async def test_its_own_and_trusted_origins_are_accepted(self) -> None:
        own = "http://testserver"
        for origin in (own, "https://app.example.com", "https://deep.sub.example.org"):
            with self.subTest(origin):
                async with WebSocketClient("/ws/", headers={"Origin": origin}) as client:
                    await client.send("ping")
                    self.assertEqual(await client.receive(), "pong!")

    @override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
    async def test_wss_is_as_secure_as_https(self) -> None:
        cases: list[Any] = [{"scheme": "wss"}]
        cases += [{"headers": {"X-Forwarded-Proto": scheme}} for scheme in ("https", "wss")]
        for secure in cases:
            with self.subTest(secure):
                async with WebSocketClient("/tell/hello/", **secure) as client:
                    told = await client.receive()
                self.assertEqual(told, "AnonymousUser https {'word': 'hello'}")
