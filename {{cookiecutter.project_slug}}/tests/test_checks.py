"""The system checks."""

from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import path

from realtime.handshake import websocket
from realtime.types import Receive, Send


async def bare(request: Any, receive: Receive, send: Send) -> None:
    """A loop that urls.py has without its decorator."""


urlpatterns = [path("bare/", bare)]  # type: ignore[arg-type]  # which mypy finds as well


def found(**options: Any) -> list[str | None]:
    """The ids of what this app's checks find."""
    return [check.id for check in run_checks(**options) if str(check.id).startswith("realtime.")]


def test_the_service_has_nothing_to_complain_of() -> None:
    assert found() == []


@pytest.mark.urls(__name__)
def test_a_loop_without_its_decorator_is_found() -> None:
    assert found() == ["realtime.E002"]


@override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS[1:], "realtime"])
def test_a_runserver_that_knows_no_websocket_is_found() -> None:
    assert "realtime.E001" in found()


def test_connections_kept_in_threads_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "CONN_MAX_AGE", 60)
    assert found() == ["realtime.W001"]


def test_several_processes_without_redis_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert found() == ["realtime.W002"]
    with override_settings(REDIS_URL="redis://localhost:6379/0"):
        assert found() == []


def test_a_deployment_without_redis_is_found() -> None:
    assert found(include_deployment_checks=True) == ["realtime.W002"]


def test_websocket_refuses_a_function_that_is_no_loop() -> None:
    with pytest.raises(TypeError, match="takes an `async def` loop"):
        websocket(found)
