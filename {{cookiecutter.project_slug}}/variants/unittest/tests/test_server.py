"""The real server, as a process, and a real client."""

import asyncio
from urllib.request import urlopen

from django.test import SimpleTestCase
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.server import running_server


class ServerTests(SimpleTestCase):
    async def test_the_server_speaks_http_and_websocket(self) -> None:
        async with running_server() as address, asyncio.timeout(20):
            health = await asyncio.to_thread(urlopen, f"http://{address}/healthz")
            self.assertEqual(health.status, 200)
            own = Origin(f"http://{address}")
            async with connect(f"ws://{address}/ws/", origin=own) as client:
                for message in (b"\0", "", "unknown", "ping"):
                    await client.send(message)
                self.assertEqual(await client.recv(), "pong!")
            with self.assertRaises(InvalidStatus) as refused:
                await connect(f"ws://{address}/nowhere/")
            status = refused.exception.response.status_code
            self.assertIn(status, {403, 404})  # daphne can only say 403
