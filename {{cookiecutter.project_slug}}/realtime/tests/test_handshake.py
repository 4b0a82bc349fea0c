"""Handshakes: who is let in, and how the others are refused."""

from typing import Any
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.core.signals import request_finished, request_started
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import AsyncClient, SimpleTestCase, TestCase, override_settings

from realtime.handshake import Handshakes, websocket
from realtime.testing import WebSocketClient
from realtime.tests import OWN, answers, make_user, own_settings, refusal

STRICT = [*OWN["MIDDLEWARE"], "django.contrib.auth.middleware.LoginRequiredMiddleware"]


@sync_to_async
def status_of_handshake(path: str) -> int:
    """The status of a handshake under the settings of the moment."""
    scope: dict[str, Any] = {"type": "websocket", "path": path, "query_string": b""}
    scope |= {"headers": [(b"host", b"testserver")], "extensions": {"websocket.http.response": {}}}
    _, application, _, events = Handshakes().answer(scope)
    return 101 if application else int(events[0]["status"])


@own_settings
class RefusalTests(SimpleTestCase):
    async def test_an_unknown_path_is_refused_with_404(self) -> None:
        self.assertEqual((await refusal("/nowhere/")).status, 404)

    async def test_a_page_is_no_websocket(self) -> None:
        self.assertEqual((await refusal("/login/")).status, 404)

    async def test_a_foreign_host_is_refused_with_400(self) -> None:
        refused = await refusal("/ws/", headers={"Host": "evil.example"})
        self.assertEqual(refused.status, 400)

    async def test_a_view_that_raises_refuses_with_500(self) -> None:
        with self.assertLogs("django.request", "ERROR"):
            self.assertEqual((await refusal("/broken/")).status, 500)

    async def test_a_server_without_denial_responses_is_told_to_close(self) -> None:
        self.assertEqual((await refusal("/nowhere/", extensions={})).status, 403)

    async def test_a_refusal_has_the_body_and_the_headers_of_the_response(self) -> None:
        refused = await refusal("/nowhere/")
        self.assertIn(b"Not Found", refused.body)
        self.assertEqual(refused.headers["x-frame-options"], "DENY")
        self.assertEqual(refused.headers["content-length"], str(len(refused.body)))

    async def test_plain_http_is_told_to_upgrade(self) -> None:
        response = await AsyncClient().get("/ws/")
        self.assertEqual(response.status_code, 426)
        self.assertEqual(response.headers["Upgrade"], "websocket")
        self.assertIn("a proxy may have dropped the Upgrade header", response.content.decode())

    async def test_a_url_may_have_a_page_and_a_websocket(self) -> None:
        response = await AsyncClient().get("/")
        self.assertEqual((response.status_code, response["Vary"]), (200, "Upgrade"))
        async with WebSocketClient("/") as client:
            self.assertTrue(await answers(client))

    async def test_an_argument_of_the_url_may_have_no_name(self) -> None:
        async with WebSocketClient("/seats/lobby/7/") as client:
            self.assertEqual(await client.receive(), "lobby 7")

    async def test_a_decorator_may_pass_by_position(self) -> None:
        async with WebSocketClient("/loud/lobby/") as client:
            self.assertEqual(await client.receive(), "LOBBY any")

    @override_settings(MIDDLEWARE=STRICT)
    async def test_what_marks_the_page_holds_for_the_page_alone(self) -> None:
        browser = AsyncClient(enforce_csrf_checks=True)
        self.assertEqual((await browser.post("/open/")).status_code, 200)
        self.assertEqual(await status_of_handshake("/open/"), 302)

    @override_settings(MIDDLEWARE=STRICT)
    async def test_what_marks_the_loop_holds_for_the_loop_alone(self) -> None:
        self.assertEqual((await AsyncClient().get("/open/loop/")).status_code, 302)
        self.assertEqual(await status_of_handshake("/open/loop/"), 101)

    def test_websocket_takes_no_function_that_is_no_loop(self) -> None:
        with self.assertRaisesMessage(TypeError, "takes an `async def` loop"):
            websocket(make_user)

    async def test_request_started_and_finished_are_sent(self) -> None:
        sent: list[str] = []

        def started(**kwargs: Any) -> None:
            sent.append("started")

        def finished(**kwargs: Any) -> None:
            sent.append("finished")

        request_started.connect(started)
        self.addCleanup(request_started.disconnect, started)
        request_finished.connect(finished)
        self.addCleanup(request_finished.disconnect, finished)
        async with WebSocketClient("/ws/"):
            self.assertEqual(sent, ["started", "finished"])


@own_settings
class OriginTests(SimpleTestCase):
    async def test_a_foreign_origin_is_refused_with_403(self) -> None:
        foreign = ["http://evil.example", "https://testserver", "http://testserver:8000"]
        for origin in (*foreign, "null", "http://[", ""):
            with self.subTest(origin):
                self.assertEqual((await refusal("/ws/", headers={"Origin": origin})).status, 403)

    async def test_its_own_and_trusted_origins_are_accepted(self) -> None:
        own = "http://testserver"
        for origin in (own, "https://app.example.com", "https://deep.sub.example.org"):
            with self.subTest(origin):
                async with WebSocketClient("/ws/", headers={"Origin": origin}) as client:
                    self.assertTrue(await answers(client))

    @override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
    async def test_wss_is_as_secure_as_https(self) -> None:
        cases: list[Any] = [{"scheme": "wss"}]
        cases += [{"headers": {"X-Forwarded-Proto": scheme}} for scheme in ("https", "wss")]
        for secure in cases:
            with self.subTest(secure):
                async with WebSocketClient("/tell/hello/", **secure) as client:
                    self.assertEqual(await client.receive(), "nobody https {'word': 'hello'}")


@own_settings
class LoginTests(TestCase):
    grace: Any

    @classmethod
    def setUpTestData(cls) -> None:
        cls.grace = make_user("grace")

    async def test_without_a_session_a_private_loop_is_answered_like_a_private_page(self) -> None:
        refused = await refusal("/private/")
        self.assertEqual(refused.status, 302)
        self.assertEqual(refused.headers["location"], "/login/?next=/private/")

    async def test_a_session_that_cannot_be_read_is_not_taken_for_nobodys(self) -> None:
        away = patch.object(SessionStore, "load", side_effect=OperationalError("away"))
        with away, self.assertLogs("realtime", "ERROR"):
            refused = await refusal("/tell/it/", user=self.grace)
        self.assertEqual(refused.status, 503)

    async def test_before_the_first_migration_everybody_is_nobody(self) -> None:
        away = patch.object(SessionStore, "load", side_effect=OperationalError("no such table"))
        with away, patch.object(MigrationRecorder, "has_table", return_value=False):
            async with WebSocketClient("/ws/", user=self.grace) as client:
                self.assertTrue(await answers(client))

    async def test_the_loop_has_the_logged_in_user(self) -> None:
        async with WebSocketClient("/private/", user=self.grace) as client:
            told = await client.receive()
        self.assertEqual(told, self.grace.get_username() + " http {}")
