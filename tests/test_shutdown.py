"""SIGTERM with clients connected: all are closed at once, or spread over DRAIN_SECONDS."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.clients import by_hand, crowd, status, wait_until_full
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.serving import Running, handshake, serving

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
        with by_hand(server, "/flood/") as deaf:
            await asyncio.to_thread(wait_until_full, deaf)
            server.process.send_signal(signal.SIGTERM)
            return Counter(await asyncio.gather(*map(end, clients)))


def with_workers(server: str, workers: int) -> Any:
    """A server with so many workers, as a parameter."""
    one = parameter(server, "pytest")
    return pytest.param(*one.values, workers, marks=one.marks, id=f"{one.id}-{workers}")


SERVERS_AND_WORKERS = [
    *(with_workers(server, 1) for server in SERVERS),
    *(with_workers(server, 2) for server in WORKERS),
]


@pytest.mark.parametrize(("combination", "workers"), SERVERS_AND_WORKERS)
def test_every_client_gets_a_close_even_beside_one_that_does_not_read(
    combination: tuple[str, str],
    workers: int,
    installed: Callable[[str, str], Installed],
    tmp_path: Path,
) -> None:
    name = combination[0]
    options = [WORKERS[name], str(workers)] if workers > 1 else []
    with serving(installed(*combination), name, tmp_path / "log", *options) as server:
        begin = time.monotonic()
        assert asyncio.run(codes_at_stop(server, 99)) == {1012: 99}
        assert server.process.wait(10) in {0, -signal.SIGTERM}  # both mean success to systemd
        assert time.monotonic() - begin < 60
        assert "Traceback" not in server.log.read_text()


async def drained(server: Running, number: int) -> list[float]:
    """When so many clients are closed, in seconds since the first; what others get meanwhile."""
    ends: list[float] = []

    async def note_the_end(client: ClientConnection) -> None:
        assert await end(client) == 1012
        ends.append(time.monotonic())

    async with crowd(server, "/ws/", number) as clients, asyncio.TaskGroup() as tasks:
        noted = [tasks.create_task(note_the_end(client)) for client in clients]
        server.process.send_signal(signal.SIGTERM)
        for closed in range(1, number * 3 // 4):
            await asyncio.wait(noted, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            noted = [task for task in noted if not task.done()]
            assert number - len(noted) >= closed
            if closed >= number // 4:  # each worker has heard of the signal
                assert await asyncio.to_thread(status, server, "/") == 200
                assert await asyncio.to_thread(status, server, "/readyz") == 503
                assert await asyncio.to_thread(handshake, server.address, "/ws/") in {403, 503}
    return [one - ends[0] for one in ends]


@pytest.mark.parametrize(("combination", "workers"), SERVERS_AND_WORKERS)
def test_a_drain_spreads_the_closes_and_goes_on_with_pages_only(
    combination: tuple[str, str],
    workers: int,
    installed: Callable[[str, str], Installed],
    tmp_path: Path,
) -> None:
    name = combination[0]
    options = [WORKERS[name], str(workers)] if workers > 1 else []
    log = tmp_path / "log"
    with serving(installed(*combination), name, log, *options, DRAIN_SECONDS="2") as server:
        ends = asyncio.run(drained(server, 20))
        assert 6 <= len([one for one in ends if one < 1]) <= 14
        assert ends[-1] > 1.5
        assert server.process.wait(10) in {0, -signal.SIGTERM}
        assert "Traceback" not in log.read_text()
