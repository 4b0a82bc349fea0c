"""Rooms on the real servers: slow clients, late accepts, and what connections leave behind."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate
from websockets.sync.client import connect as connect_sync

from tests.clients import (
    by_hand,
    calm_state,
    crowd,
    frame,
    measured,
    memory,
    pour,
    read_to_the_end,
    wait_for_connections,
)
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.serving import Running, handshake, serving, wait_for

MESSAGES = 2000
MEBIBYTE = 1 << 20
GIVES_WAY = [parameter(server, "pytest") for server in SERVERS if server != "granian"]
SLOW = "realtime_clients_slow_total"  # a line of /metrics


@pytest.fixture(scope="module", params=[parameter(server, "pytest") for server in SERVERS])
def server(
    request: pytest.FixtureRequest,
    installed: Callable[[str, str], Installed],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """A server."""
    log = tmp_path_factory.mktemp(request.param[0]) / "log"
    with serving(installed(*request.param), request.param[0], log) as running:
        yield running


async def numbers(client: ClientConnection) -> list[int]:
    """The numbers of the messages that a client gets."""
    async with asyncio.timeout(60):
        return [int((await client.recv())[:4]) for _ in range(MESSAGES)]


async def blast(server: Running, clients: list[ClientConnection]) -> list[list[int]]:
    """Publish as fast as can be; return what each client gets."""
    async with connect(server.url(f"/blast/big/{MESSAGES}/")):
        return await asyncio.gather(*map(numbers, clients))


def end_of_a_slow_one(server: Running, client: socket.socket) -> bytes:
    """What the client gets last, which reads nothing until the server gives it up.

    It reads then, blast or not: the server waits half a minute for that, and drops it.
    """
    before = measured(server)[SLOW]
    wait_for("the end of the one that reads nothing", lambda: measured(server)[SLOW] > before, 50)
    return read_to_the_end(client)


def test_a_client_that_does_not_read_is_closed_and_the_others_get_everything(
    server: Running,
) -> None:
    async def scene() -> bytes:
        async with crowd(server, "/ws/rooms/big/", 29) as clients:
            with by_hand(server, "/ws/rooms/big/") as deaf:
                await asyncio.to_thread(wait_for_connections, server, 30)
                before = memory(server)
                end = asyncio.create_task(asyncio.to_thread(end_of_a_slow_one, server, deaf))
                for got in await blast(server, clients):
                    assert got == list(range(MESSAGES))
                assert memory(server) - before < 32 * MEBIBYTE
                return await end

    assert b"\x88\x0a\x03\xf5too slow" in asyncio.run(scene())  # 1013


def test_what_is_published_before_a_late_accept_comes_after_it_in_order(server: Running) -> None:
    last = "199"
    times: list[float] = []  # at which the witness, which was there before, got each message

    async def until_the_last(client: ClientConnection, times: list[float]) -> list[str]:
        got: list[str] = []
        while got[-1:] != [last]:
            got.append(str(await client.recv()))
            times.append(time.perf_counter())
        return got

    async def scene() -> tuple[list[str], list[str], float]:
        async with asyncio.timeout(30), connect(server.url("/ws/rooms/probe/")) as witness:
            async with connect(server.url("/talk/200/")):
                seen = [str(await witness.recv())]
                times.append(time.perf_counter())
                witnessing = asyncio.create_task(until_the_last(witness, times))
                async with connect(server.url("/late/")) as late:
                    accepted = time.perf_counter()
                    got = await until_the_last(late, [])
            return seen + await witnessing, got, accepted

    seen, got, accepted = asyncio.run(scene())
    begin = seen.index("subscribed")
    assert got == seen[begin:]
    assert seen[:begin] + seen[begin + 1 :] == [*map(str, range(200))]
    waited = sum(moment < accepted for moment in times[begin:])
    assert 10 < waited < len(got)  # some came before the accept, and some after it


def test_each_client_gets_what_is_said_alike_compressed_or_not(
    server: Running, installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    said: list[str | bytes] = ["a word", "x" * 100_000, b"\0\1", b"\2" * 70_000, "ä" * 200, "end"]
    offers = [None, [Deflate()], [Deflate(server_max_window_bits=9)], [Deflate()]]
    project, variables = installed(server.name, "pytest"), {"PERMESSAGE_DEFLATE": "true"}

    async def scene(compressing: Running) -> None:
        async with AsyncExitStack() as stack, asyncio.timeout(30):
            clients = [
                await stack.enter_async_context(
                    connect(compressing.url("/echo/"), compression=None, extensions=offer)
                )
                for offer in offers
            ]
            compressed = [bool(client.protocol.extensions) for client in clients]
            can = server.name in {"uvicorn", "hypercorn"}
            assert compressed == [can and offer is not None for offer in offers]
            for message in said:
                await clients[1].send(message)
            for client in clients:
                assert [await client.recv() for _ in said] == said

    with serving(project, server.name, tmp_path / "log", **variables) as compressing:
        asyncio.run(scene(compressing))


def test_hundreds_of_connections_half_of_them_abrupt_leave_nothing_behind(server: Running) -> None:
    async def visitor(number: int, places: asyncio.Semaphore) -> None:
        async with places, connect(server.url(f"/ws/rooms/room{number % 7}/")) as client:
            await client.send(str(number))
            await client.recv()
            if number % 2:
                client.transport.abort()

    async def scene(number: int) -> None:
        places = asyncio.Semaphore(50)
        await asyncio.gather(*(visitor(i, places) for i in range(number)))

    asyncio.run(scene(100))
    wait_for_connections(server, 0)
    before = calm_state(server)
    asyncio.run(scene(400))
    assert calm_state(server) == before
    assert before["connections"] == 0
    assert before["channels"] == ["\0close"]


@pytest.mark.parametrize(
    ("path", "first", "again", "most", "room"),
    [
        ("/ws/", b"", frame(9, b"x" * 125), 64 * MEBIBYTE, 16 * MEBIBYTE),
        ("/ws/", frame(1, b"", last=False), frame(0, b"", last=False), 12 * MEBIBYTE, 3 * MEBIBYTE),
        ("/deaf/", b"", frame(1, b""), 16 * MEBIBYTE, 16 * MEBIBYTE),
    ],
    ids=["pings", "fragments", "messages that nobody receives"],
)
def test_a_client_that_sends_without_end_and_reads_nothing_fills_no_memory(
    server: Running, path: str, first: bytes, again: bytes, most: int, room: int
) -> None:
    with by_hand(server, path) as client:
        assert b" 101 " in client.recv(4096)
        before = memory(server, "VmRSS")
        client.sendall(first)
        pour(client, again * 1000, most)
        kept = memory(server, "VmRSS") - before
    answers = server.name == "granian" and again.startswith(b"\x89")  # which keeps each pong
    assert kept > room if answers else kept < room


@pytest.mark.parametrize("server", GIVES_WAY, indirect=True)
@pytest.mark.parametrize(
    ("first", "again"),
    [(b"", frame(9, b"")), (frame(1, b"", last=False), frame(0, b"", last=False))],
    ids=["pings", "fragments"],
)
def test_while_a_client_sends_frames_without_end_others_have_their_turn(
    server: Running, first: bytes, again: bytes
) -> None:
    with by_hand(server, "/ws/") as flooding, connect_sync(server.url("/ws/")) as other:
        assert b" 101 " in flooding.recv(4096)
        flooding.sendall(first)
        pouring = threading.Thread(target=pour, args=(flooding, again * 1000, 4 * MEBIBYTE))
        pouring.start()
        end, answers = time.monotonic() + 3, 0
        while time.monotonic() < end:
            other.send("ping")
            assert other.recv(timeout=30) == "pong!"
            answers += 1
        pouring.join()
    assert answers >= 10  # in three seconds; one or two where 64 KiB are read at once


def test_a_client_that_floods_is_closed_with_4429_and_gone_and_delays_nobody(
    server: Running,
) -> None:
    with connect_sync(server.url("/limited/")) as hasty:
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(300):
                hasty.send("word")
            while True:
                hasty.recv(timeout=30)
    end = closed.value.rcvd
    assert end.code == 4429 if end else server.name == "granian"  # which is 1006 at times
    ended = threading.Event()
    with connect_sync(server.url("/ws/")) as other, by_hand(server, "/limited/") as flooding:
        assert b" 101 " in flooding.recv(4096)

        def flood() -> None:
            with suppress(ConnectionError):
                while True:
                    flooding.sendall(b"\x81\x81\0\0\0\0x" * 2000)
            ended.set()

        threading.Thread(target=flood, daemon=True).start()
        begin = moment = time.monotonic()
        while not ended.is_set():
            other.send("ping")
            assert other.recv(timeout=30) == "pong!"
            assert time.monotonic() - moment < 1
            moment = time.monotonic()
            assert moment - begin < 10


def test_more_connections_than_the_limit_are_refused_with_503(
    server: Running, installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    project = installed(server.name, "pytest")
    with serving(project, server.name, tmp_path / "log", MAX_CONNECTIONS="2") as small:
        with connect_sync(small.url("/ws/")), connect_sync(small.url("/ws/")):
            refused = 403 if server.name == "daphne" else 503
            assert handshake(small.address, "/ws/") == refused
        wait_for("a free place", lambda: handshake(small.address, "/ws/") == 101, 5)
