"""The real server, as a process, and a real client."""

import asyncio
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.server import running_server


async def test_the_server_speaks_http_and_websocket() -> None:
    async with running_server() as address, asyncio.timeout(20):
        health = await asyncio.to_thread(urlopen, f"http://{address}/healthz")
        assert health.status == 200
        async with connect(f"ws://{address}/ws/", origin=Origin(f"http://{address}")) as client:
            for message in (b"\0", "", "unknown", "ping"):
                await client.send(message)
            assert await client.recv() == "pong!"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/nowhere/")
        assert refused.value.response.status_code in {403, 404}  # daphne can only say 403
