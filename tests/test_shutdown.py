"""SIGTERM with clients connected: all are closed at once, or spread over DRAIN_SECONDS."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.clients import by_hand, crowd, status, wait_until_full
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.serving import WORKERS, Running, handshake, serving, wait_for


async def end(client: ClientConnection) -> int | None:
    """The code with which the service closes."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None


@asynccontextmanager
async def answered(server: Running, number: int) -> AsyncIterator[list[ClientConnection]]:
    """Clients of whom the server knows that they are connected: they have got an answer."""
    async with asyncio.timeout(60), crowd(server, "/ws/", number) as clients:
        for client in clients:
            await client.send("ping")
            assert await client.recv() == "pong!"
        yield clients


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


@contextmanager
def running(
    installed: Callable[[str, str], Installed],
    combination: tuple[str, str],
    workers: int,
    log: Path,
    **variables: str,
) -> Iterator[Running]:
    """A server whose workers all run: granian's do not hear a signal before."""
    name = combination[0]
    options, words = [], ""
    if workers > 1:
        option, words = WORKERS[name]
        options = [option, str(workers)]
    with serving(installed(*combination), name, log, *options, **variables) as server:
        wait_for("the workers", lambda: not words or log.read_text().count(words) == workers)
        yield server
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(("combination", "workers"), SERVERS_AND_WORKERS)
def test_every_client_gets_a_close_even_beside_one_that_does_not_read(
    combination: tuple[str, str],
    workers: int,
    installed: Callable[[str, str], Installed],
    tmp_path: Path,
) -> None:
    with running(installed, combination, workers, tmp_path / "log") as server:
        begin = time.monotonic()
        assert asyncio.run(codes_at_stop(server, 99)) == {1012: 99}
        assert server.process.wait(10) in {0, -signal.SIGTERM}  # both mean success to systemd
        assert time.monotonic() - begin < 60


async def drained(server: Running, number: int) -> list[float]:
    """When so many clients are closed, in seconds since the first; others get pages meanwhile."""
    ends: list[float] = []

    async def note_the_end(client: ClientConnection) -> None:
        assert await end(client) == 1012
        ends.append(time.monotonic())

    async with answered(server, number) as clients, asyncio.TaskGroup() as tasks:
        open_still = {tasks.create_task(note_the_end(client)) for client in clients}
        server.process.send_signal(signal.SIGTERM)
        while len(ends) < number * 3 // 4:
            first = asyncio.FIRST_COMPLETED
            _, open_still = await asyncio.wait(open_still, timeout=10, return_when=first)
            if len(ends) > number // 4:  # and each worker has heard of the signal
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
    log = tmp_path / "log"
    with running(installed, combination, workers, log, DRAIN_SECONDS="2") as server:
        ends = asyncio.run(drained(server, 20))
        assert 6 <= len([one for one in ends if one < 1]) <= 14
        assert server.process.wait(10) in {0, -signal.SIGTERM}


@pytest.mark.parametrize("combination", [parameter(server, "pytest") for server in WORKERS])
def test_a_worker_that_is_done_with_its_drain_cuts_off_no_client_of_another(
    combination: tuple[str, str], installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    async def codes(server: Running) -> list[int | None]:
        async with answered(server, 3) as clients:  # one of the workers has two or more
            server.process.send_signal(signal.SIGTERM)
            return await asyncio.gather(*map(end, clients))

    with running(installed, combination, 2, tmp_path / "log", DRAIN_SECONDS="4") as server:
        assert asyncio.run(codes(server)) == [1012] * 3
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("drains", [True, False])
@pytest.mark.parametrize("combination", [parameter(server, "pytest") for server in SERVERS])
def test_ctrl_c_stops_at_once_also_in_the_midst_of_a_drain(
    combination: tuple[str, str],
    drains: bool,
    installed: Callable[[str, str], Installed],
    tmp_path: Path,
) -> None:
    async def stop(server: Running) -> None:
        async with answered(server, 3) as clients:
            if drains:
                server.process.send_signal(signal.SIGTERM)
                ends = [asyncio.create_task(end(client)) for client in clients]
                await asyncio.wait(ends, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            os.killpg(server.process.pid, signal.SIGINT)  # as a terminal does
            await asyncio.to_thread(server.process.wait, 10)
            if drains:
                await asyncio.gather(*ends)

    with running(installed, combination, 1, tmp_path / "log", DRAIN_SECONDS="60") as server:
        asyncio.run(stop(server))
