"""The open connections, and closing them from outside."""

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient, TestCase, override_settings

from realtime.connections import close, shut_down
from realtime.testing import ConnectionClosed, HandshakeRefused, WebSocketClient


class ConnectionTests(TestCase):
    async def ended(self, client: WebSocketClient) -> tuple[int, str]:
        """The code and the reason with which the service closes."""
        with self.assertRaises(ConnectionClosed) as closed:
            await client.receive()
        return closed.exception.code, closed.exception.reason

    async def answers(self, client: WebSocketClient) -> bool:
        """Whether ping/pong is still there."""
        await client.send("ping")
        return await client.receive() == "pong!"

    async def test_health_tells_how_many_are_open(self) -> None:
        async with WebSocketClient("/ws/"), WebSocketClient("/ws/"):
            self.assertEqual((await AsyncClient().get("/healthz")).json(), {"connections": 2})
        self.assertEqual((await AsyncClient().get("/healthz")).json(), {"connections": 0})

    @override_settings(MAX_CONNECTIONS=1)
    async def test_more_than_the_limit_are_refused_with_503(self) -> None:
        async with WebSocketClient("/ws/"):
            with self.assertRaises(HandshakeRefused) as refused:
                async with WebSocketClient("/ws/"):
                    pass
            self.assertEqual((await AsyncClient().get("/ws/")).status_code, 503)
        self.assertEqual(refused.exception.status, 503)
        async with WebSocketClient("/ws/") as client:
            self.assertTrue(await self.answers(client))

    async def test_shutdown_closes_all_and_takes_no_more(self) -> None:
        async with WebSocketClient("/ws/") as one, WebSocketClient("/ws/") as other:
            await shut_down()
            for client in (one, other):
                self.assertEqual(await self.ended(client), (1012, "service restart"))
            with self.assertRaisesRegex(HandshakeRefused, "503"):
                async with WebSocketClient("/ws/"):
                    pass

    async def test_a_users_connections_are_closed_after_the_commit(self) -> None:
        ada, grace = [await User.objects.acreate(username=name) for name in ("ada", "grace")]
        async with (
            WebSocketClient("/ws/", user=ada) as one,
            WebSocketClient("/ws/", user=grace) as other,
        ):
            with self.captureOnCommitCallbacks(execute=True):
                await sync_to_async(close)(4000, "kicked", user_id=ada.pk)
                self.assertTrue(await self.answers(one))
            self.assertEqual(await self.ended(one), (4000, "kicked"))
            self.assertTrue(await self.answers(other))

    def test_close_asks_for_one_or_the_other(self) -> None:
        with self.assertRaisesRegex(TypeError, "a session_key or a user_id"):
            close(4000)
