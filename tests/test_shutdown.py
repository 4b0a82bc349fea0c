"""SIGTERM with clients connected."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.crowd import crowd, deaf_client, wait_until_full
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.serving import Running, serving

WORKERS = {"uvicorn": "--workers", "granian": "--workers", "hypercorn": "--workers"}  # daphne: none


async def end(client: ClientConnection) -> int | None:
    """The code with which the service closes."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None


async def codes_at_stop(server: Running, number: int) -> Counter[int | None]:
    """The codes that this number of clients get."""
    async with crowd(server, "/ws/", number) as clients:
        with deaf_client(server, "/flood/") as deaf:
            await asyncio.to_thread(wait_until_full, deaf)
            server.process.send_signal(signal.SIGTERM)
            return Counter(await asyncio.gather(*map(end, clients)))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("combination", [parameter(server, "pytest") for server in SERVERS])
def test_every_client_gets_a_close_even_beside_one_that_does_not_read(
    combination: tuple[str, str],
    workers: int,
    installed: Callable[[str, str], Installed],
    tmp_path: Path,
) -> None:
    name = combination[0]
    if workers > 1 and name not in WORKERS:
        pytest.skip(f"{name} has no workers")
    options = [WORKERS[name], str(workers)] if workers > 1 else []
    with serving(installed(*combination), name, tmp_path / "log", *options) as server:
        begin = time.monotonic()
        assert asyncio.run(codes_at_stop(server, 99)) == {1012: 99}
        assert server.process.wait(10) in {0, -signal.SIGTERM}  # both mean success to systemd
        assert time.monotonic() - begin < 60
        assert "Traceback" not in server.log.read_text()
