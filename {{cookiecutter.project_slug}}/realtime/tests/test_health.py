"""What a load balancer asks."""

from typing import Any
from unittest.mock import patch

from django.db import OperationalError
from django.test import AsyncClient, Client, TestCase

from realtime.testing import WebSocketClient
from realtime.tests import own_settings, refusal

STRICT: dict[str, Any] = {
    "ALLOWED_HOSTS": ["example.com"],
    "SECURE_SSL_REDIRECT": True,
    "MIDDLEWARE": [
        "realtime.health.health",
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ],
}


@own_settings
class HealthTests(TestCase):
    async def test_it_tells_how_many_connections_are_open(self) -> None:
        async with WebSocketClient("/ws/"), WebSocketClient("/ws/"):
            self.assertEqual((await AsyncClient().get("/healthz")).json(), {"connections": 2})
        self.assertEqual((await AsyncClient().get("/healthz")).json(), {"connections": 0})

    def test_it_is_told_whatever_the_host_and_the_middleware(self) -> None:
        with self.settings(**STRICT):
            for path in ("/healthz", "/readyz"):
                answer = Client().get(path, headers={"Host": "10.0.0.5:8000"})
                self.assertEqual(answer.status_code, 200, answer.content)

    def test_readiness_says_what_is_wrong(self) -> None:
        away = patch("realtime.health.ask", side_effect=OperationalError("away"))
        with away, patch("realtime.health.stops", return_value=True):
            answer = Client().get("/readyz")
        self.assertEqual(answer.status_code, 503)
        self.assertEqual(answer.json(), {"wrong": ["database default", "stopping"]})

    async def test_it_is_no_websocket(self) -> None:
        self.assertEqual((await refusal("/healthz")).status, 404)
