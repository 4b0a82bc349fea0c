"""The test client itself: what would otherwise hide a fault, or make one."""

import asyncio

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient, TestCase

from realtime.testing import ConnectionClosed, WebSocketClient
from realtime.tests import make_user, own_settings


@own_settings
class ClientTests(TestCase):
    async def test_a_page_before_it_does_not_disturb_a_handshake(self) -> None:
        await AsyncClient().get("/")
        async with WebSocketClient("/ws/") as client:
            await client.send("ping")
            self.assertEqual(await client.receive(), "pong!")

    async def test_clients_at_the_same_time_share_the_connection_of_the_test(self) -> None:
        users = get_user_model()._default_manager
        user = await sync_to_async(make_user)("ada")

        async def visit(number: int) -> str | bytes:
            async with WebSocketClient(f"/joined/user{number}/", user=user) as client:
                return await client.receive()

        told = await asyncio.gather(*map(visit, range(10)))
        self.assertEqual(told, [user.get_username() + " http {}"] * 10)
        self.assertEqual(await users.acount(), 11)

    async def see_ada(self) -> None:
        """The handshake sees the row that this test made, and no other test's."""
        ada = await sync_to_async(make_user)("ada")
        self.assertEqual(await get_user_model()._default_manager.acount(), 1)
        async with WebSocketClient("/private/", user=ada) as client:
            self.assertEqual(await client.receive(), ada.get_username() + " http {}")

    async def test_a_row_of_the_test_is_seen(self) -> None:
        await self.see_ada()

    async def test_a_row_of_the_test_is_seen_again_so_the_first_is_rolled_back(self) -> None:
        await self.see_ada()

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
