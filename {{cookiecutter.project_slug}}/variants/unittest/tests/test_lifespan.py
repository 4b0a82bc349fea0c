"""Start-up and shutdown."""

from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.test import SimpleTestCase

from config.asgi import application
from realtime.lifespan import Lifespan
from tests.contexts import broken, recorder


class LifespanTests(SimpleTestCase):
    async def test_the_service_starts_and_stops(self) -> None:
        server = ApplicationCommunicator(application, {"type": "lifespan", "state": {}})
        await server.send_input({"type": "lifespan.startup"})
        self.assertEqual(await server.receive_output(), {"type": "lifespan.startup.complete"})
        await server.send_input({"type": "lifespan.shutdown"})
        self.assertEqual(await server.receive_output(), {"type": "lifespan.shutdown.complete"})
        await server.wait()

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

    async def test_an_unknown_scope_type_is_named(self) -> None:
        with self.assertRaisesMessage(NotImplementedError, "'telnet'"):
            await ApplicationCommunicator(application, {"type": "telnet"}).wait()
