"""What a load balancer asks, and Prometheus."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.test import AsyncClient, Client, SimpleTestCase, TestCase
from prometheus_client.parser import text_string_to_metric_families

from realtime import metrics
from realtime.broadcast import publish, publish_on_commit
from realtime.outbox import Outbox, behind
from realtime.testing import WebSocketClient
from realtime.tests import ended, nowhere, own_settings, refusal

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

    def test_one_thread_waits_for_what_does_not_answer(self) -> None:
        answer, asked = Event(), []

        def ask(alias: str) -> None:
            asked.append(alias)
            answer.wait(20)

        with patch("realtime.health.ask", ask), patch("realtime.health.SOON", 0.05):
            for _ in range(3):
                self.assertEqual(Client().get("/readyz").json(), {"wrong": ["database default"]})
            answer.set()
        self.assertEqual(asked, ["default"])
        self.assertEqual(Client().get("/readyz").json(), {"wrong": []})

    async def test_it_is_no_websocket(self) -> None:
        self.assertEqual((await refusal("/healthz")).status, 404)


@own_settings
class MetricsTests(SimpleTestCase):
    async def told(self) -> dict[str, float]:
        """What Prometheus would note."""
        answer = await AsyncClient().get("/metrics")
        self.assertEqual(answer.status_code, 200)
        return {
            sample.name.removeprefix("realtime_") + "".join(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.content.decode())
            for sample in family.samples
            if sample.name.startswith("realtime_") and not sample.name.endswith("_created")
        }

    async def test_they_count_what_happens(self) -> None:
        before = await self.told()
        async with WebSocketClient("/rooms/a/") as one, WebSocketClient("/rooms/a/") as other:
            await publish("room.a", "hello")
            await sync_to_async(publish_on_commit)("room.a", "again")
            for client in (one, other):
                self.assertEqual([await client.receive() for _ in range(2)], ["hello", "again"])
            during = await self.told()
        for path, code in {"/leave/": 4000, "/fail/": 1011}.items():
            async with WebSocketClient(path) as client:
                self.assertEqual((await ended(client))[0], code)
        await refusal("/nowhere/")
        await refusal("/ws/", headers={"Origin": "https://evil.example"})
        await refusal("/fail/early/")
        await refusal("/obey/?do=[{'type': 'websocket.close'}]")
        with self.settings(MAX_CONNECTIONS=0), patch("realtime.connections.files", lambda: 0):
            await refusal("/ws/")
        after = await self.told()

        def counted(name: str) -> float:
            return after[name] - before.get(name, 0)

        self.assertEqual(during["connections"], 2)
        self.assertEqual(after["connections"], 0)
        self.assertEqual(counted("connections_opened_total"), 4)
        self.assertEqual(counted("messages_published_total"), 2)
        self.assertEqual(counted("messages_delivered_total"), 4)
        for closed, number in {1000: 2, 1011: 1, 4000: 1}.items():
            self.assertEqual(counted(f"connections_closed_total{closed}"), number, closed)
        for refused, number in {403: 2, 404: 1, 500: 1, 503: 1}.items():
            self.assertEqual(counted(f"handshakes_refused_total{refused}"), number, refused)

    async def test_they_count_who_is_slow(self) -> None:
        before = await self.told()
        box = Outbox("slow", nowhere)
        behind.add(box)
        self.assertEqual((await self.told())["clients_behind"], before["clients_behind"] + 1)
        box.end = lambda *close: None
        box.give_up()
        after = await self.told()
        self.assertEqual(after["clients_behind"], before["clients_behind"])
        self.assertEqual(after["clients_slow_total"], before["clients_slow_total"] + 1)

    def test_only_those_who_are_near_may_read_them(self) -> None:
        for near in ("127.0.0.1", "10.1.2.3", "::ffff:192.168.0.1", "fd00::1"):
            answer = Client().get("/metrics", REMOTE_ADDR=near)
            self.assertEqual(answer.status_code, 200, near)
        for far in ("8.8.8.8", "::ffff:8.8.8.8", "2001:4860:4860::8888", ""):
            answer = Client().get("/metrics", REMOTE_ADDR=far)
            self.assertEqual(answer.status_code, 404, far)
        for name in ("X-Forwarded-For", "Forwarded"):
            answer = Client().get("/metrics", headers={name: "10.1.2.3"})
            self.assertEqual(answer.status_code, 404, name)

    def test_a_dead_process_has_nothing_open(self) -> None:
        done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
        with TemporaryDirectory() as folder:
            names = {f"gauge_livesum_{pid}.db" for pid in (os.getpid(), int(done.stdout))}
            names |= {f"counter_{int(done.stdout)}.db"}
            for name in names:
                (Path(folder) / name).touch()
            metrics.forget_the_dead(Path(folder))
            left = {path.name for path in Path(folder).iterdir()}
        self.assertEqual(names - left, {f"gauge_livesum_{int(done.stdout)}.db"})
