"""The service as a whole: what its ASGI application and its routes answer."""

from asgiref.testing import ApplicationCommunicator
from django.test import AsyncClient, SimpleTestCase

from config.asgi import application
from realtime.testing import HandshakeRefused, WebSocketClient


class ServiceTests(SimpleTestCase):
    async def test_it_starts_and_stops(self) -> None:
        server = ApplicationCommunicator(application, {"type": "lifespan", "state": {}})
        await server.send_input({"type": "lifespan.startup"})
        self.assertEqual(await server.receive_output(), {"type": "lifespan.startup.complete"})
        await server.send_input({"type": "lifespan.shutdown"})
        self.assertEqual(await server.receive_output(), {"type": "lifespan.shutdown.complete"})
        await server.wait()

    async def test_an_unknown_scope_type_is_named(self) -> None:
        with self.assertRaisesMessage(NotImplementedError, "'telnet'"):
            await ApplicationCommunicator(application, {"type": "telnet"}).wait()

    async def test_health_tells_how_many_connections_are_open(self) -> None:
        async with WebSocketClient("/ws/"):
            self.assertEqual((await AsyncClient().get("/healthz")).json(), {"connections": 1})

    async def test_what_is_no_websocket_is_refused_with_404(self) -> None:
        for path in ("/nowhere/", "/login/"):
            with self.subTest(path), self.assertRaises(HandshakeRefused) as refused:
                async with WebSocketClient(path):
                    pass
            self.assertEqual(refused.exception.status, 404)
