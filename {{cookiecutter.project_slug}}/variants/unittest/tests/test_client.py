"""The test client itself: what would otherwise hide a fault, or make one."""

import asyncio

from django.contrib.auth.models import User
from django.test import AsyncClient, TestCase, override_settings

from realtime.testing import ConnectionClosed, WebSocketClient


@override_settings(ROOT_URLCONF="tests.urls")
class ClientTests(TestCase):
    async def test_a_page_before_it_does_not_disturb_a_handshake(self) -> None:
        await AsyncClient().get("/")
        async with WebSocketClient("/ws/") as client:
            await client.send("ping")
            self.assertEqual(await client.receive(), "pong!")

    async def test_clients_at_the_same_time_share_the_connection_of_the_test(self) -> None:
        user = await User.objects.acreate(username="ada")

        async def visit(number: int) -> str | bytes:
            async with WebSocketClient(f"/joined/user{number}/", user=user) as client:
                return await client.receive()

        self.assertEqual(await asyncio.gather(*map(visit, range(10))), ["ada"] * 10)
        self.assertEqual(await User.objects.acount(), 11)

    async def test_a_loop_that_ignores_its_client_is_named(self) -> None:
        with self.assertRaisesMessage(TimeoutError, "/deaf/: no end of the loop in 0.1 s"):
            async with WebSocketClient("/deaf/") as client:
                client.timeout = 0.1

    async def test_a_message_that_does_not_come_is_named(self) -> None:
        async with WebSocketClient("/ws/") as client:
            client.timeout, timeout = 0.1, client.timeout
            with self.assertRaisesMessage(TimeoutError, "/ws/: no message in 0.1 s"):
                await client.receive()
            client.timeout = timeout

    async def test_a_loop_that_raises_unseen_fails_the_test(self) -> None:
        with self.assertLogs("django.request"), self.assertRaisesMessage(ConnectionClosed, "1011"):
            async with WebSocketClient("/fail/"):
                pass
