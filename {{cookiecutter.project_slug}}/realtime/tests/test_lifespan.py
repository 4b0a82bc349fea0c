"""Start-up and shutdown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.test import SimpleTestCase

from realtime.lifespan import Context, Lifespan
from realtime.tests import own_settings


def recorder(name: str, record: list[str]) -> Context:
    """A context that records when it is entered and left."""

    @asynccontextmanager
    async def context(state: dict[str, Any]) -> AsyncIterator[None]:
        state[name] = record
        record.append(f"{name} starts")
        try:
            yield
        finally:
            record.append(f"{name} stops")

    return context


@asynccontextmanager
async def broken(state: dict[str, Any]) -> AsyncIterator[None]:
    """A context that cannot be entered."""
    raise RuntimeError("no database")
    yield


@own_settings
class LifespanTests(SimpleTestCase):
    async def test_contexts_stop_in_reverse_and_share_the_state(self) -> None:
        record: list[str] = []
        scope: dict[str, Any] = {"type": "lifespan", "state": {}}
        contexts = recorder("pool", record), recorder("cache", record)
        server = ApplicationCommunicator(Lifespan(*contexts), scope)
        await server.send_input({"type": "lifespan.startup"})
        await server.receive_output()
        self.assertEqual(set(scope["state"]), {"pool", "cache"})
        await server.send_input({"type": "lifespan.shutdown"})
        await server.receive_output()
        self.assertEqual(record, ["pool starts", "cache starts", "cache stops", "pool stops"])

    async def test_a_failure_at_startup_is_told_to_the_server(self) -> None:
        record: list[str] = []
        contexts = recorder("pool", record), broken
        server = ApplicationCommunicator(Lifespan(*contexts), {"type": "lifespan"})
        with self.assertLogs("realtime.lifespan", "ERROR"):
            await server.send_input({"type": "lifespan.startup"})
            failed = {"type": "lifespan.startup.failed", "message": "no database"}
            self.assertEqual(await server.receive_output(), failed)
        self.assertEqual(record, ["pool starts", "pool stops"])
