"""Faults that people report of WebSocket services, on each server."""

import asyncio
import json
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests import serving as servers
from tests.clients import by_hand, memory, open_still, visit
from tests.installing import Installed, environment, parameter
from tests.rendering import SERVERS
from tests.serving import WITH_EXTRA_ROUTES, Running, handshake, log_in, serving, wait_for

FAULTS = {"DJANGO_SETTINGS_MODULE": "extra_faults_settings"}
# granian keeps what is sent to a client that has left, and does not say so: docs/servers.md.
ANY_SERVER = [parameter("uvicorn", "pytest")]  # for what no server takes part in
SENDS_NOT_IN_VAIN = [parameter(one, "pytest") for one in SERVERS if one != "granian"]


@pytest.fixture(scope="module", params=[parameter(server, "pytest") for server in SERVERS])
def service(
    request: pytest.FixtureRequest,
    installed: Callable[[str, str], Installed],
    tmp_path_factory: pytest.TempPathFactory,
) -> "Iterator[Service]":
    """A service, behind middleware that wraps `send`, with two users."""
    folder = tmp_path_factory.mktemp(request.param[0])
    made = Service(installed(*request.param), request.param[0], folder)
    made.installed.run("manage.py", "migrate", "--verbosity", "0", **made.variables)
    for name in ("ada", "grace"):
        made.cookie(name)  # ids in this order
    with made.process() as running:
        made.running = running
        yield made


class Service:
    """A rendered project with a database of its own."""

    running: Running

    def __init__(self, installed: Installed, server: str, folder: Path) -> None:
        self.installed, self.server, self.folder = installed, server, folder
        self.variables = {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3"}

    @contextmanager
    def process(self, *options: str, **variables: str) -> Iterator[Running]:
        """Run one more of it."""
        log = self.folder / f"log of {time.monotonic()}"
        variables = FAULTS | self.variables | variables
        variables["application"] = "extra_faults:application"
        with serving(self.installed, self.server, log, *options, **variables) as running:
            yield running

    def cookie(self, name: str) -> dict[str, str]:
        """The Cookie header of a new session of the user."""
        return {"Cookie": f"sessionid={log_in(self.installed, name, **self.variables)}"}


def closed(client: ClientConnection, seconds: float = 10) -> int | None:
    """The code with which the service closes, None without one."""
    with pytest.raises(ConnectionClosed) as end:
        while True:
            client.recv(timeout=seconds)
    return end.value.rcvd.code if end.value.rcvd else None


def frame(opcode: int, payload: bytes) -> bytes:
    """A frame of a client (RFC 6455, section 5.2), masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def open_connections(server: Running) -> int:
    """How many the service counts."""
    number: int = visit(server, "/healthz")["connections"]
    return number


# A handshake is always answered


TAKEN, REFUSED = {101}, {0, 400, 431}
LONG_COOKIE = {
    "uvicorn": {8_300: TAKEN, 60_000: TAKEN, 70_000: {431}, 1_000_000: {431}},
    "granian": {8_300: TAKEN, 60_000: TAKEN, 70_000: TAKEN, 1_000_000: REFUSED},
    "hypercorn": {8_300: TAKEN, 60_000: TAKEN, 70_000: REFUSED, 1_000_000: REFUSED},
    "daphne": {8_300: TAKEN, 60_000: REFUSED, 70_000: REFUSED, 1_000_000: REFUSED},
}


@pytest.mark.parametrize("size", [8_300, 60_000, 70_000, 1_000_000])
def test_a_long_cookie_is_taken_or_refused_and_always_answered(service: Service, size: int) -> None:
    assert status_of(service.running, size) in LONG_COOKIE[service.server][size]


def status_of(server: Running, size: int) -> int:
    """The answer to a handshake with a Cookie line of this size; 0 if the connection is closed."""
    try:
        return handshake(server.address, "/ws/", Cookie="x" * size)
    except TimeoutError:
        raise  # no answer
    except (OSError, HTTPException):
        return 0


def test_a_loop_that_never_accepts_is_refused_within_seconds(service: Service) -> None:
    before = time.monotonic()
    expected = 403 if service.server == "daphne" else 503
    with by_hand(service.running, "/never/") as client:
        assert f" {expected} ".encode() in client.recv(100)
    assert time.monotonic() - before < 15


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_health_is_told_whatever_the_host_and_the_middleware(service: Service) -> None:
    with service.process(SSL_REDIRECT="yes", LOGIN_REQUIRED="yes") as strict:
        for host in (strict.address, "10.0.0.5:8000", "service.internal"):
            for path in ("/healthz", "/readyz"):
                client = HTTPConnection(strict.address, timeout=10)
                with closing(client):
                    client.request("GET", path, headers={"Host": host})
                    assert client.getresponse().status == 200


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_readiness_says_what_is_wrong(service: Service) -> None:
    nowhere = "postgres://nobody:secret@127.0.0.1:9/nothing"
    with service.process(DATABASE_URL=nowhere, REDIS_URL="redis://127.0.0.1:9/0") as waiting:
        before = time.monotonic()
        client = HTTPConnection(waiting.address, timeout=10)
        with closing(client):
            client.request("GET", "/readyz")
            answer = client.getresponse()
            assert answer.status == 503
            assert answer.read() == b'{"wrong": ["database default", "redis"]}'
        assert time.monotonic() - before < 5
        assert open_connections(waiting) == 0


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_a_page_keeps_its_own_marks(service: Service) -> None:
    """In extra_faults: the page is csrf_exempt and needs no login, the loop does."""
    with service.process(LOGIN_REQUIRED="yes") as strict:
        client = HTTPConnection(strict.address, timeout=10)
        with closing(client):
            client.request("POST", "/marked/", body="")
            assert client.getresponse().status == 200
        refused = 403 if service.server == "daphne" else 302
        assert handshake(strict.address, "/marked/") == refused


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_a_decorator_of_the_readme_decides_for_a_loop(service: Service) -> None:
    assert handshake(service.running.address, "/staff/") == 403
    staff = service.cookie("ada")  # who may add users
    assert handshake(service.running.address, "/staff/", **staff) == 101


# A connection ends when its right ends


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_the_login_of_another_user_ends_the_sessions_connections(service: Service) -> None:
    cookie, other = service.cookie("ada"), service.cookie("grace")
    url = service.running.url("/ws/")
    with (
        connect(url, additional_headers=cookie) as hers,
        connect(url, additional_headers=other) as others,
    ):
        assert open_still(hers)
        visit(service.running, "/login/as/grace/", **cookie)
        assert closed(hers) == 4401
        assert open_still(others)


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_a_deleted_session_ends_its_connections(service: Service) -> None:
    url = service.running.url("/ws/")
    with connect(url, additional_headers=service.cookie("ada")) as hers, connect(url) as nobodys:
        assert open_still(hers)
        visit(service.running, "/sessions/delete/")
        assert closed(hers) == 4401
        assert open_still(nobodys)


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
@pytest.mark.parametrize("engine", ["db", "file", "signed_cookies"])
def test_an_expired_session_ends_its_connections(service: Service, engine: str) -> None:
    folder = service.folder / engine
    folder.mkdir(exist_ok=True)
    variables = {"ENGINE": f"django.contrib.sessions.backends.{engine}", "SESSIONS": str(folder)}
    variables |= {"AGE": "4"} | FAULTS | service.variables
    with service.process(**variables) as short:
        key = log_in(service.installed, "ada", **(WITH_EXTRA_ROUTES | variables))
        cookie = {"Cookie": f"sessionid={key}"}
        with connect(short.url("/private/stay/"), additional_headers=cookie) as hers:
            before = time.monotonic()
            assert open_still(hers)
            assert closed(hers, 15) == 4401
            assert time.monotonic() - before < 12


# Work, silence and death


def test_a_loop_works_while_it_receives(service: Service) -> None:
    options = {
        "uvicorn": ["--ws-ping-interval", "0.5", "--ws-ping-timeout", "0.5"],
        "daphne": ["--ping-interval", "1", "--ping-timeout", "1"],
        "hypercorn": ["--websocket-ping-interval", "1"],
    }

    async def client(server: Running, kind: str) -> list[str]:
        pings: dict[str, float | None] = {"ping_interval": None, "ping_timeout": None}
        if kind == "pinging":
            pings = {"ping_interval": 0.5, "ping_timeout": 1}
        got: list[str] = []
        async with asyncio.timeout(20), connect_async(server.url("/job/"), **pings) as socket:  # type: ignore[arg-type]
            await socket.send("a job")
            if kind == "talking":
                for _ in range(5):
                    await socket.send("ping")
                    await asyncio.sleep(0.2)
            while not got or not got[-1].startswith("done"):
                got.append(str(await socket.recv()))
        return got

    async def clients(server: Running) -> list[list[str]]:
        kinds = ("silent", "talking", "pinging")
        return await asyncio.gather(*(client(server, kind) for kind in kinds))

    with service.process(*options.get(service.server, [])) as server:
        silent, talking, pinging = asyncio.run(clients(server))
        assert silent == pinging == ["done: a job"]
        assert talking == ["pong!"] * 5 + ["done: a job"]


def test_a_client_that_sends_to_a_sleeping_loop_does_not_fill_the_memory(service: Service) -> None:
    with service.process() as server, connect(server.url("/ws/")) as other:
        assert open_still(other)
        before = memory(server)
        message = b"\x81\xff" + struct.pack("!Q", 500_000) + bytes(4) + b"x" * 500_000
        with by_hand(server, "/asleep/") as client:
            client.recv(1000)
            client.settimeout(3)
            sent = 0
            try:
                while sent < 150:
                    client.sendall(message)
                    sent += 1
            except TimeoutError:
                pass  # it waits
            assert open_still(other)
            assert memory(server) - before < 40 << 20


@pytest.mark.parametrize("service", SENDS_NOT_IN_VAIN, indirect=True)
def test_a_loop_that_only_sends_ends_when_its_client_has_left(service: Service) -> None:
    with service.process() as server, connect(server.url("/ws/")) as other:
        with by_hand(server, "/pour/") as client:
            client.recv(10_000)
        wait_for("its end", lambda: open_connections(server) == 1, 10)
        assert "The client had left, when the loop sent: /pour/" in server.log.read_text()
        assert open_still(other)


def test_the_files_run_out_without_a_storm(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = ["bash", "-c", 'ulimit -Sn 200; ulimit -Hn 200; exec "$@"', "limited"]
    command = servers.production_command
    monkeypatch.setattr(
        servers, "production_command", lambda *arguments: [*limited, *command(*arguments)]
    )
    with service.process() as server, ExitStack() as stack:
        statuses, clients = [], []
        for _ in range(250):
            try:
                client = by_hand(server, "/ws/")
                clients.append(stack.enter_context(client))
                client.settimeout(5)
                statuses.append(client.recv(100).split(b" ")[1][:3])
            except (OSError, IndexError) as error:
                statuses.append(type(error).__name__.encode())
        assert statuses.count(b"101") >= 100
        assert open_connections(server) >= 100
        for client in clients:
            client.close()
        wait_for("their ends", lambda: open_connections(server) == 0, 20)
        with connect(server.url("/ws/")) as again:
            assert open_still(again)
        assert server.log.stat().st_size < 200_000


# Attacks and misuse


def test_a_frame_right_behind_the_handshake_leaves_nothing_open(service: Service) -> None:
    with service.process(MAX_CONNECTIONS="5") as server:
        for _ in range(5):
            with by_hand(server, "/member/", frame(1, b"hello")) as client:
                client.recv(1000)
        wait_for("their ends", lambda: open_connections(server) == 0, 10)
        with connect(server.url("/member/")) as again:
            again.send("hello")
            assert again.recv(timeout=5) == "heard"


def test_a_client_that_never_stops_sending_is_told_to_go_and_gone(service: Service) -> None:
    with service.process() as server:
        cookie = service.cookie("ada")
        with connect(server.url("/ws/"), additional_headers=cookie) as flooding:
            stop = threading.Event()

            def flood() -> None:
                try:
                    while not stop.is_set():
                        flooding.send("x" * 100)
                        time.sleep(0.004)
                except ConnectionClosed:
                    pass

            thread = threading.Thread(target=flood)
            thread.start()
            assert open_still(flooding)
            visit(server, "/kick/ada/")
            code = closed(flooding)
            assert code == 4000 or (service.server == "granian" and code is None)  # at times
            stop.set()
            thread.join(5)
        wait_for("its end", lambda: open_connections(server) == 0, 10)
        assert server.stop() in {0, -signal.SIGTERM}


@pytest.mark.parametrize(
    "message",
    [frame(8, b"\x03"), frame(8, b"\x03\xe8" + b"\xff\xff"), frame(3, b""), frame(1, b"\xff\xff")],
    ids=["short close", "close not utf-8", "opcode", "text not utf-8"],
)
def test_a_protocol_error_of_a_client_is_not_the_services(service: Service, message: bytes) -> None:
    before = len(service.running.log.read_text())
    for path in ("/ws/", "/pour/") if service.server != "granian" else ("/ws/",):
        with by_hand(service.running, path) as client:
            client.recv(1000)
            client.sendall(message)
            last = b""
            try:
                while data := client.recv(1 << 20):
                    last = (last + data)[-300:]
            except OSError:
                pass
            if path == "/ws/":
                assert b"\x88\x02\x03\xe8" not in last  # not a 1000, as if nothing had been wrong
    wait_for("their ends", lambda: open_connections(service.running) == 0, 10)
    log = service.running.log.read_text()[before:]
    assert "Exception in the loop" not in log
    assert "observed" not in log


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_the_path_of_a_loop_forges_no_lines_of_the_log(service: Service) -> None:
    with connect(service.running.url("/fail/x%0aforged%1b%5b31m/")) as client:
        client.send("go")
        assert closed(client) == 1011
    wait_for("the report", lambda: "Exception in the loop" in service.running.log.read_text())
    reported = service.running.log.read_text().split("Exception in the loop: ")[1].splitlines()[0]
    assert reported == r"/fail/x\nforged\x1b[31m/"


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_sentry_is_told_the_user_and_the_route_of_the_loop_that_raised(service: Service) -> None:
    python = service.installed.program
    install = ["uv", "pip", "install", "--quiet", "--python", python, "sentry-sdk"]
    subprocess.run(install, check=True, env=environment(), timeout=120)
    names = ("ada", "grace", None, "ada", None)
    with service.process(SENTRY="yes") as server:
        for name in names:
            headers = service.cookie(name) if name else {}
            with connect(server.url("/fail/x/"), additional_headers=headers) as client:
                client.send("go")
                assert closed(client) == 1011
            with connect(server.url("/ws/"), additional_headers=service.cookie("grace")) as other:
                assert open_still(other)

        def told() -> list[dict[str, str | None]]:
            lines = [one for one in server.log.read_text().splitlines() if "SENTRY" in one]
            return [json.loads(line.split("SENTRY ")[1]) for line in lines]

        wait_for("the last event", lambda: len(told()) >= len(names))
        ids = [{"ada": "1", "grace": "2"}.get(name or "") for name in names]
        assert [event["user"] for event in told()] == ids
        assert {event["route"] for event in told()} == {"/fail/{name}/"}


def test_sigterm_reaches_every_client_behind_middleware_that_wraps_send(
    service: Service,
) -> None:
    with service.process() as server, ExitStack() as stack:
        clients = [stack.enter_context(connect(server.url("/ws/"))) for _ in range(20)]
        assert all(map(open_still, clients))
        server.process.send_signal(signal.SIGTERM)
        assert [closed(client) for client in clients] == [1012] * 20
        assert server.process.wait(10) in {0, -signal.SIGTERM}


def test_a_loop_may_take_its_time_to_end_when_the_service_stops(service: Service) -> None:
    with service.process() as server, connect(server.url("/tidy/")) as client:
        assert client.recv(timeout=5) == "it runs"
        assert server.stop(15) in {0, -signal.SIGTERM}
        assert "tidied" in server.log.read_text()
