"""The system checks."""

import os
from typing import Any
from unittest import mock

from django.conf import settings
from django.core.checks import run_checks
from django.test import SimpleTestCase, override_settings
from django.urls import path

from realtime.handshake import websocket
from realtime.types import Receive, Send


async def bare(request: Any, receive: Receive, send: Send) -> None:
    """A loop that urls.py has without its decorator."""


urlpatterns = [path("bare/", bare)]  # type: ignore[arg-type]  # which mypy finds as well


def found(**options: Any) -> list[str | None]:
    """The ids of what this app's checks find."""
    return [check.id for check in run_checks(**options) if str(check.id).startswith("realtime.")]


class CheckTests(SimpleTestCase):
    def test_the_service_has_nothing_to_complain_of(self) -> None:
        self.assertEqual(found(), [])

    @override_settings(ROOT_URLCONF=__name__)
    def test_a_loop_without_its_decorator_is_found(self) -> None:
        self.assertEqual(found(), ["realtime.E002"])

    @override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS[1:], "realtime"])
    def test_a_runserver_that_knows_no_websocket_is_found(self) -> None:
        self.assertIn("realtime.E001", found())

    def test_connections_kept_in_threads_are_found(self) -> None:
        with mock.patch.dict(settings.DATABASES["default"], {"CONN_MAX_AGE": 60}):
            self.assertEqual(found(), ["realtime.W001"])

    def test_several_processes_without_redis_are_found(self) -> None:
        with mock.patch.dict(os.environ, {"WEB_CONCURRENCY": "4"}):
            self.assertEqual(found(), ["realtime.W002"])
            with self.settings(REDIS_URL="redis://localhost:6379/0"):
                self.assertEqual(found(), [])

    def test_a_deployment_without_redis_is_found(self) -> None:
        self.assertEqual(found(include_deployment_checks=True), ["realtime.W002"])

    def test_websocket_refuses_a_function_that_is_no_loop(self) -> None:
        with self.assertRaisesMessage(TypeError, "takes an `async def` loop"):
            websocket(found)
