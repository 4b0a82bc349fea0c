"""The system checks."""

import os
from typing import Any
from unittest import mock

from django.conf import settings
from django.core.checks import run_checks
from django.test import SimpleTestCase, override_settings
from django.urls import path

from realtime.tests import own_settings
from realtime.types import Receive, Send


async def bare(request: Any, receive: Receive, send: Send) -> None:
    """A loop that urls.py has without its decorator."""


urlpatterns = [path("bare/", bare)]  # type: ignore[arg-type]  # which mypy finds as well


def found(**options: Any) -> list[str | None]:
    """The ids of what this app's checks find."""
    return [check.id for check in run_checks(**options) if str(check.id).startswith("realtime.")]


LAST = [app for app in settings.INSTALLED_APPS if app != "realtime"] + ["realtime"]


@own_settings
class CheckTests(SimpleTestCase):
    def setUp(self) -> None:
        """Whatever this machine asks for."""
        self.enterContext(mock.patch.dict(os.environ))
        for name in ("WEB_CONCURRENCY", "GRANIAN_WORKERS"):
            os.environ.pop(name, None)

    def test_the_service_has_nothing_to_complain_of(self) -> None:
        self.assertEqual(found(), [])

    @override_settings(ROOT_URLCONF=__name__)
    def test_a_loop_without_its_decorator_is_found(self) -> None:
        self.assertEqual(found(), ["realtime.E002"])

    @override_settings(INSTALLED_APPS=LAST)
    def test_a_runserver_that_knows_no_websocket_is_found(self) -> None:
        self.assertIn("realtime.E001", found())

    def test_connections_kept_in_threads_are_found(self) -> None:
        with mock.patch.dict(settings.DATABASES["default"], {"CONN_MAX_AGE": 60}):
            self.assertEqual(found(), ["realtime.W001"])

    @override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies")
    def test_sessions_that_a_logout_cannot_find_are_found(self) -> None:
        self.assertEqual(found(), ["realtime.W003"])

    def test_several_processes_without_redis_are_found(self) -> None:
        with mock.patch.dict(os.environ, {"WEB_CONCURRENCY": "4"}):
            self.assertEqual(found(), ["realtime.W002"])
            with self.settings(REDIS_URL="redis://localhost:6379/0"):
                self.assertEqual(found(), [])

    def test_a_deployment_without_redis_is_found(self) -> None:
        self.assertEqual(found(include_deployment_checks=True), ["realtime.W002"])
