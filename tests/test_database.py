"""Database work of many clients at once, and what a database that is away does to them."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.sync.client import connect

from tests.clients import calm_state, crowd, status, visit
from tests.installing import Installed, environment, parameter
from tests.rendering import SERVERS
from tests.services import Link, link, own_database, postgres
from tests.serving import Running, handshake, log_in, serving, wait_for

POOL = 8
READ_AND_WRITE = """
import asyncio
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import transaction
from realtime.database import database_thread

def count():
    with transaction.atomic():
        group = Group.objects.get()
        group.name = str(int(group.name) + 1)
        group.save()

async def block():
    for _ in range(10):
        async with database_thread():
            await sync_to_async(count)()

async def blocks():
    await asyncio.gather(*(block() for _ in range(4)))

asyncio.run(blocks())
"""
GROUP = "from django.contrib.auth.models import Group; "


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


@pytest.mark.xdist_group("uvicorn-pytest")
def test_blocks_of_several_processes_that_read_and_then_write_succeed_on_sqlite(
    installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    project = installed("uvicorn", "pytest")
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "DEBUG": "true"}
    shell = ["manage.py", "shell", "--no-imports", "-c"]
    project.run("manage.py", "migrate", "--verbosity", "0", **settings)
    project.run(*shell, GROUP + "Group.objects.create(name='0')", **settings)
    command = [project.program, *shell, READ_AND_WRITE]
    processes = [
        subprocess.Popen(
            command, cwd=project.project, env=environment(**settings), stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert said == ["", "", ""]
    printed = project.run(*shell, GROUP + "print('count', Group.objects.get().name)", **settings)
    assert "count 120" in printed


@pytest.fixture(scope="module")
def database(installed: Callable[[str, str], Installed]) -> Iterator[str]:
    """The URL of a database with tables."""
    with own_database(installed("uvicorn", "pytest"), f"realtime_{os.getpid()}") as url:
        yield url


@pytest.mark.parametrize("pool", ["true", "false"])
@pytest.mark.xdist_group("uvicorn-pytest")
def test_pages_and_handshakes_work_when_postgresql_has_dropped_its_connections(
    installed: Callable[[str, str], Installed], database: str, tmp_path: Path, pool: str
) -> None:
    project = installed("uvicorn", "pytest")
    session = {"Cookie": f"sessionid={log_in(project, 'ada', DATABASE_URL=database)}"}

    async def fill(server: Running) -> None:
        async with crowd(server, "/sleep/", 20) as clients:
            assert await answers(clients, 5) == ["done"] * 100

    with link(database) as way:
        url = f"{way.url}?pool={pool}&application_name=realtime-lost-{pool}"
        with serving(project, "uvicorn", tmp_path / "log", DATABASE_URL=url) as server:
            for _ in range(2):
                asyncio.run(fill(server))
                assert handshake(server.address, "/private/", **session) == 101
                assert pool == "false" or visit(server, "/backends/") > 5
                way.drop()
                begin = time.monotonic()
                assert [status(server, "/backends/") for _ in range(5)] == [200] * 5
                assert handshake(server.address, "/private/", **session) == 101
                assert time.monotonic() - begin < 5


@pytest.mark.parametrize("pool", ["true", "false"])
@pytest.mark.parametrize("away", ["refuses", "vanishes"])
@pytest.mark.xdist_group("uvicorn-pytest")
def test_while_postgresql_is_away_a_page_says_so_within_seconds_and_works_soon_after(
    installed: Callable[[str, str], Installed],
    database: str,
    tmp_path: Path,
    away: str,
    pool: str,
) -> None:
    def fails(server: Running) -> None:
        for _ in range(2):
            begin = time.monotonic()
            assert status(server, "/backends/") == 500
            assert time.monotonic() - begin < 8

    def works(server: Running, way: Link) -> None:
        way.open()
        wait_for("a page", lambda: status(server, "/backends/") == 200, 6)

    project, log = installed("uvicorn", "pytest"), tmp_path / "log"
    with link(database) as way:
        url = f"{way.url}?pool={pool}"
        with serving(project, "uvicorn", log, DATABASE_URL=url) as server:
            assert status(server, "/backends/") == 200
            if away == "vanishes":
                with way.hole():
                    fails(server)
            else:
                way.cut()
                fails(server)
            works(server, way)


@pytest.mark.parametrize("where", ["loop", "block"])
@pytest.mark.parametrize("way", ["query", "transaction", "fetch", "cursor"])
@pytest.mark.parametrize("pool", ["true", "false"])
@pytest.mark.xdist_group("uvicorn-pytest")
def test_after_an_error_that_is_caught_the_next_query_works(
    lossy: dict[str, Running], way: str, where: str, pool: str
) -> None:
    with connect(lossy[pool].url(f"/survive/{way}/{where}/")) as client:
        for message in ("ask", "lose", "ask", "lose", "ask"):
            client.send(message)
            expected = "OperationalError" if message == "lose" else "False"
            assert client.recv(timeout=30) == expected


@pytest.mark.parametrize("way", ["query", "transaction", "fetch", "cursor"])
@pytest.mark.parametrize("pool", ["true", "false"])
@pytest.mark.xdist_group("uvicorn-pytest")
def test_so_it_does_in_a_handshake(lossy: dict[str, Running], way: str, pool: str) -> None:
    assert handshake(lossy[pool].address, f"/lose/{way}/") == 101


@pytest.fixture(scope="module")
def lossy(
    installed: Callable[[str, str], Installed],
    database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Running]]:
    """Servers whose loops lose their connection, with a pool and without one."""
    folder, project = tmp_path_factory.mktemp("lossy"), installed("uvicorn", "pytest")
    with (
        serving(project, "uvicorn", folder / "1", DATABASE_URL=f"{database}?pool=true") as pooled,
        serving(project, "uvicorn", folder / "2", DATABASE_URL=f"{database}?pool=false") as other,
    ):
        yield {"true": pooled, "false": other}
