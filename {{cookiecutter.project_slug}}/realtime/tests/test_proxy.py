"""The client behind a proxy."""

from ipaddress import ip_network
from typing import Any

from django.test import SimpleTestCase, override_settings

from realtime.proxy import look_behind


class ProxyTests(SimpleTestCase):
    @override_settings(FORWARDED_ALLOW_IPS=[*map(ip_network, ("127.0.0.1", "10.0.0.0/8"))])
    def test_the_clients_address_is_what_a_trusted_proxy_says(self) -> None:
        for peer, said, client in (
            ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
            ("127.0.0.1", "198.51.100.7, 192.0.2.1, 10.1.2.3", "192.0.2.1"),  # the first is forged
            ("127.0.0.1", "unknown", "unknown"),
            ("127.0.0.1", "10.1.2.3,127.0.0.1", "10.1.2.3"),
            ("127.0.0.1", "", "127.0.0.1"),
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("127.0.0.1", "192.0.2.1:50123", "192.0.2.1"),
            ("127.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:127.0.0.1", "192.0.2.1", "192.0.2.1"),
            (None, "192.0.2.1", "192.0.2.1"),  # at a Unix socket
            ("", "192.0.2.1", "192.0.2.1"),  # at one of granian's
        ):
            with self.subTest(said, peer=peer):
                scope: dict[str, Any] = {
                    "headers": [(b"x-forwarded-for", said.encode())],
                    "client": None if peer is None else (peer, 50000),
                }
                look_behind(scope)
                self.assertEqual(scope["client"][0], client)

    @override_settings(FORWARDED_ALLOW_IPS=[ip_network("127.0.0.1")])
    def test_the_scheme_is_what_a_trusted_proxy_says(self) -> None:
        for peer, kind, said, scheme in (
            ("127.0.0.1", "websocket", "https", "wss"),
            ("127.0.0.1", "websocket", "wss", "wss"),
            ("127.0.0.1", "http", "https", "https"),
            ("127.0.0.1", "websocket", "http", "ws"),
            ("192.0.2.1", "websocket", "https", "ws"),
        ):
            with self.subTest(said, peer=peer):
                scope: dict[str, Any] = {
                    "type": kind,
                    "scheme": "ws",
                    "headers": [(b"x-forwarded-proto", said.encode())],
                    "client": (peer, 50000),
                }
                look_behind(scope)
                self.assertEqual(scope["scheme"], scheme)
