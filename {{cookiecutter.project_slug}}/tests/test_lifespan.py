"""Start-up and shutdown."""

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from config.asgi import application
from realtime.lifespan import Lifespan
from tests.contexts import broken, recorder


async def test_the_service_starts_and_stops() -> None:
    server = ApplicationCommunicator(application, {"type": "lifespan", "state": {}})
    await server.send_input({"type": "lifespan.startup"})
    assert await server.receive_output() == {"type": "lifespan.startup.complete"}
    await server.send_input({"type": "lifespan.shutdown"})
    assert await server.receive_output() == {"type": "lifespan.shutdown.complete"}
    await server.wait()


async def test_contexts_stop_in_reverse_and_share_the_state() -> None:
    record: list[str] = []
    scope: dict[str, Any] = {"type": "lifespan", "state": {}}
    contexts = recorder("pool", record), recorder("cache", record)
    server = ApplicationCommunicator(Lifespan(*contexts), scope)
    await server.send_input({"type": "lifespan.startup"})
    await server.receive_output()
    assert set(scope["state"]) == {"pool", "cache"}
    await server.send_input({"type": "lifespan.shutdown"})
    await server.receive_output()
    assert record == ["pool starts", "cache starts", "cache stops", "pool stops"]


async def test_a_failure_at_startup_is_told_to_the_server() -> None:
    record: list[str] = []
    server = ApplicationCommunicator(
        Lifespan(recorder("pool", record), broken), {"type": "lifespan"}
    )
    await server.send_input({"type": "lifespan.startup"})
    failed = {"type": "lifespan.startup.failed", "message": "no database"}
    assert await server.receive_output() == failed
    assert record == ["pool starts", "pool stops"]


async def test_an_unknown_scope_type_is_named() -> None:
    with pytest.raises(NotImplementedError, match="'telnet'"):
        await ApplicationCommunicator(application, {"type": "telnet"}).wait()
