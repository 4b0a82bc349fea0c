"""Database work of many clients at once, on PostgreSQL."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection

from tests.clients import calm_state, crowd, visit
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.services import postgres
from tests.serving import Running, serving

POOL = 8


@pytest.fixture(params=[parameter(server, "pytest") for server in SERVERS])
def server(
    request: pytest.FixtureRequest, installed: Callable[[str, str], Installed], tmp_path: Path
) -> Iterator[Running]:
    """A server whose pool is smaller than the number of its clients."""
    name = request.param[0]
    url = f"{postgres()}?pool={POOL}&application_name=realtime-{name}"
    with serving(installed(*request.param), name, tmp_path / "log", DATABASE_URL=url) as running:
        yield running


async def answers(clients: list[ClientConnection], number: int) -> list[str | bytes]:
    """What the clients get for so many messages each, all at once."""

    async def converse(client: ClientConnection) -> list[str | bytes]:
        for _ in range(number):
            await client.send("")
        return [await client.recv() for _ in range(number)]

    async with asyncio.timeout(60):
        all_answers = await asyncio.gather(*map(converse, clients))
        return [answer for answers in all_answers for answer in answers]


def test_clients_wait_their_turn_for_a_small_pool_and_leave_no_thread(server: Running) -> None:
    async def scene() -> None:
        async with crowd(server, "/ws/", 64), crowd(server, "/sleep/", 64) as clients:
            assert await answers(clients, 5) == ["done"] * 320
            assert visit(server, "/backends/") <= POOL

    asyncio.run(scene())
    before = calm_state(server)
    asyncio.run(scene())
    assert calm_state(server) == before
    assert before["database threads"] == 0


def test_a_command_that_used_the_pool_ends_without_a_word(
    server: Running, installed: Callable[[str, str], Installed]
) -> None:
    settings = {"DATABASE_URL": f"{postgres()}?pool=2", "DEBUG": "true"}
    ask = "from django.db import connection; connection.cursor().execute('SELECT 1')"
    project = installed(server.name, "pytest")
    assert project.run("manage.py", "shell", "--no-imports", "-c", ask, **settings) == ""
