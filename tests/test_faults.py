"""Faults that people report of WebSocket services, on each server."""

import asyncio
import json
import signal
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests import serving as servers
from tests.clients import (
    by_hand,
    frame,
    measured,
    memory,
    open_still,
    status,
    visit,
    wait_for_connections,
)
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.services import own_sentry
from tests.serving import (
    WITH_EXTRA_ROUTES,
    WORKERS,
    Running,
    handshake,
    log_in,
    serving,
    wait_for,
)

FAULTS = {"DJANGO_SETTINGS_MODULE": "extra_faults_settings"}
PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "a key of this test's own",
    "ALLOWED_HOSTS": "127.0.0.1",
    "LOG_FORMAT": "json",
}
AWAY = {
    "DATABASE_URL": "postgres://nobody:secret@127.0.0.1:9/nothing",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}
COUNTS = {
    "realtime_connections": 1,
    "realtime_connections_opened_total": 3,
    "realtime_connections_closed_total 4000": 1,
    "realtime_connections_closed_total 1011": 1,
    "realtime_handshakes_refused_total 403": 1,
    "realtime_redis_up": 0,
}
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
        application = {"application": "extra_faults:application"}
        variables = FAULTS | self.variables | application | variables
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
                client = HTTPConnection(strict.address, timeout=30)
                with closing(client):
                    client.request("GET", path, headers={"Host": host})
                    assert client.getresponse().status == 200


def test_production_shows_what_is_wrong_and_what_happens(service: Service, tmp_path: Path) -> None:
    """With two workers, where the server can."""
    option, word = WORKERS.get(service.server, ("", ""))
    options = [option, "2"] if option else []
    shared = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)} if option else {}
    with service.process(*options, **PRODUCTION | AWAY | shared) as server:
        wait_for("the workers", lambda: not word or server.log.read_text().count(word) == 2)
        before = time.monotonic()
        with closing(HTTPConnection(server.address, timeout=30)) as client:
            client.request("GET", "/readyz")
            answer = client.getresponse()
            assert answer.status == 503
            assert answer.read() == b'{"wrong": ["database default", "redis"]}'
        assert time.monotonic() - before < 5
        assert status(server, "/healthz") == 200
        with connect(server.url("/ws/")), connect(server.url("/leave/")) as leaving:
            assert closed(leaving) == 4000
            with connect(server.url("/fail/x%0aforged/")) as failing:
                failing.send("go")
                assert closed(failing) == 1011
            assert handshake(server.address, "/ws/", Origin="https://evil.example") == 403
            wait_for("the counts", lambda: COUNTS.items() <= measured(server).items())
        assert server.stop() in {0, -signal.SIGTERM}
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    (failure,) = [line for line in lines if "Exception in the loop" in line["message"]]
    assert failure["exc_info"].endswith("RuntimeError: the loop failed")
    (observed,) = [line for line in lines if line["logger"] == "extra_urls"]
    assert (observed["path"], observed["user"]) == ("/fail/x\nforged/", None)


def test_messages_are_counted(service: Service) -> None:
    server, room = service.running, service.running.url("/ws/rooms/counted/")
    before = measured(server)
    with connect(room) as one, connect(room) as other:
        one.send("hello")
        assert one.recv(timeout=30) == other.recv(timeout=30) == "hello"
        after = measured(server)
    for name, number in {"published": 1, "delivered": 2}.items():
        name = f"realtime_messages_{name}_total"
        assert after[name] - before[name] == number


@pytest.mark.parametrize("service", ANY_SERVER, indirect=True)
def test_a_page_keeps_its_own_marks(service: Service) -> None:
    """In extra_faults: the page is csrf_exempt and needs no login, the loop does."""
    with service.process(LOGIN_REQUIRED="yes") as strict:
        client = HTTPConnection(strict.address, timeout=30)
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
        "uvicorn": ["--ws-ping-interval", "0.5", "--ws-ping-timeout", "2"],
        "daphne": ["--ping-interval", "1", "--ping-timeout", "2"],
        "hypercorn": ["--websocket-ping-interval", "1"],
    }

    async def client(server: Running, kind: str) -> list[str]:
        pings: dict[str, float | None] = {"ping_interval": None, "ping_timeout": None}
        if kind == "pinging":
            pings = {"ping_interval": 0.5, "ping_timeout": 2}
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
        wait_for_connections(server, 1, 10)
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
        assert visit(server, "/healthz")["connections"] >= 100
        for client in clients:
            client.close()
        wait_for_connections(server, 0, 20)
        with connect(server.url("/ws/")) as again:
            assert open_still(again)
        assert server.log.stat().st_size < 200_000


# Attacks and misuse


def test_a_frame_right_behind_the_handshake_leaves_nothing_open(service: Service) -> None:
    with service.process(MAX_CONNECTIONS="5") as server:
        for _ in range(5):
            with by_hand(server, "/member/", frame(1, b"hello")) as client:
                client.recv(1000)
        wait_for_connections(server, 0, 10)
        with connect(server.url("/member/")) as again:
            again.send("hello")
            assert again.recv(timeout=30) == "heard"


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
        wait_for_connections(server, 0, 10)
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
    wait_for_connections(service.running, 0, 10)
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
    path = r"/fail/x\nforged\x1b[31m/"
    assert reported == f"{path} [{path} user=None]"


def test_sentry_is_told_of_each_exception_once_with_its_url_and_its_user(service: Service) -> None:
    users = ("ada", "grace", None, "ada", None)
    cookies = {"ada": service.cookie("ada"), "grace": service.cookie("grace"), None: {}}
    with (
        own_sentry() as (dsn, events),
        service.process(SENTRY_DSN=dsn, application="extra_faults:watched") as server,
        connect(server.url("/ws/"), additional_headers=cookies["grace"]) as other,
    ):
        for number, user in enumerate(users):
            cookie, url = cookies[user], server.url(f"/fail/x/?loop={number}")
            with connect(url, additional_headers=cookie) as client:
                client.send("go")
                assert closed(client) == 1011
            with connect(url, additional_headers=cookie):
                pass  # the loop raises when it has left
            assert handshake(server.address, f"/broken/?handshake={number}", **cookie) in {403, 500}
            assert open_still(other)
        wait_for("the events", lambda: len(events) >= 3 * len(users))
        assert server.stop() in {0, -signal.SIGTERM}  # after which none is on its way
        assert closed(other) == 1012
    ids = {"ada": "1", "grace": "2", None: None}
    expected = Counter[Any]()
    for number, user in enumerate(users):
        for path, query, times in (("/fail/x/", "loop", 2), ("/broken/", "handshake", 1)):
            url = f"ws://{server.address}{path}"
            expected[url, f"{query}={number}", ids[user]] = times
    told = [(event["request"], (event.get("user") or {}).get("id")) for event in events]
    assert Counter((r["url"], r["query_string"], user) for r, user in told) == expected
    assert {event["transaction"] for event in events} == {"/fail/{name}/", "/broken/"}


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
        assert client.recv(timeout=30) == "it runs"
        assert server.stop(15) in {0, -signal.SIGTERM}
        assert "tidied" in server.log.read_text()
