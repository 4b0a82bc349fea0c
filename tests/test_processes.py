"""Two processes of a service with one Redis."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.browser import MODULE, answering
from tests.clients import open_still, visit
from tests.installing import Installed, parameter, program
from tests.rendering import SERVERS
from tests.services import Redis, own_redis
from tests.serving import Running, free_port, handshake, kill, log_in, serving, wait_for

IN_NODE = """
import { ReconnectingWebSocket } from "./socket.mjs"
const [url, fetched] = process.argv.slice(2)
const ticket = () => fetch(fetched, { method: "POST" })
const socket = new ReconnectingWebSocket(url, { ticket })
socket.addEventListener("message", ({ data }) => console.log(data))
socket.addEventListener("end", ({ detail }) => console.log(detail.code))
"""
START = "([url, to]) => start(url, { ticket: () => fetch(to, { method: 'POST' }) })"
WAYS = ("view", "signal", "command", "thread", "transaction")


class Service:
    """Two processes, their Redis, and what is needed to start more."""

    def __init__(self, installed: Installed, name: str, folder: Path, redis: Redis) -> None:
        self.installed, self.name, self.folder, self.redis = installed, name, folder, redis
        self.page = free_port()  # of another origin
        self.variables = {
            "REDIS_URL": redis.url,
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "MAX_CONNECTIONS_PER_USER": "3",
            "LEASE": "10" if name == "uvicorn" else "6",  # of who is present
            "CSRF_TRUSTED_ORIGINS": f"http://localhost:{self.page}",
        }
        self.installed.run("manage.py", "migrate", "--verbosity", "0", **self.variables)

    @contextmanager
    def process(self) -> Iterator[Running]:
        """One more process of the service."""
        log = self.folder / f"{time.monotonic_ns()}.log"
        with serving(self.installed, self.name, log, **self.variables) as running:
            yield running


@pytest.fixture(scope="module", params=[parameter(server, "pytest") for server in SERVERS])
def service(
    request: pytest.FixtureRequest,
    installed: Callable[[str, str], Installed],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A service with a Redis of its own."""
    folder = tmp_path_factory.mktemp(request.param[0])
    with own_redis(folder) as redis:
        yield Service(installed(*request.param), request.param[0], folder, redis)


@pytest.fixture(scope="module")
def pair(service: Service) -> Iterator[tuple[Running, Running]]:
    """Two processes."""
    with service.process() as one, service.process() as other:
        yield one, other


def received(client: ClientConnection, number: int) -> list[str | bytes]:
    """The next messages."""
    return [client.recv(timeout=30) for _ in range(number)]


@contextmanager
def listening(server: Running, path: str, heard: list[str]) -> Iterator[ClientConnection]:
    """Append what a client receives, until the block ends."""
    with connect(server.url(path), max_queue=None) as client:

        def hear() -> None:
            with suppress(ConnectionClosed):  # a loop that only sends takes no close
                heard.extend(map(str, client))

        thread = threading.Thread(target=hear)
        thread.start()
        yield client
    thread.join(10)


def closed(client: ClientConnection) -> tuple[int, str]:
    """The code and the reason with which the service closes within a second."""
    with pytest.raises(ConnectionClosed) as ended:
        client.recv(timeout=1)
    assert ended.value.rcvd
    return ended.value.rcvd.code, ended.value.rcvd.reason


@pytest.mark.parametrize("way", WAYS)
def test_a_message_reaches_the_subscribers_of_both_once_and_in_order(
    pair: tuple[Running, Running], way: str
) -> None:
    room = "/ws/rooms/probe/"
    with connect(pair[0].url(room)) as one, connect(pair[1].url(room)) as other:
        for i in range(10):
            visit(pair[i % 2], f"/speak/{way}/{i}/")
        visit(pair[0], "/speak/view/end/")
        expected = [*map(str, range(10)), "end"]
        assert received(one, 11) == received(other, 11) == expected


def test_what_a_client_says_reaches_its_room_and_no_other(pair: tuple[Running, Running]) -> None:
    here, elsewhere = "/ws/rooms/here/", "/ws/rooms/elsewhere/"
    with (
        connect(pair[0].url(here)) as speaker,
        connect(pair[1].url(here)) as listener,
        connect(pair[1].url(elsewhere)) as stranger,
    ):
        for i in range(1000):
            speaker.send(str(i))
        stranger.send("mine")
        assert received(speaker, 1000) == received(listener, 1000) == [*map(str, range(1000))]
        assert stranger.recv(timeout=30) == "mine"


def test_a_redis_that_is_killed_and_comes_back_costs_no_connection_and_loses_nothing_in_silence(
    service: Service, pair: tuple[Running, Running]
) -> None:
    told: list[str] = []
    heard: tuple[list[str], list[str]] = ([], [])
    room = "/ws/rooms/probe/"
    with (
        listening(pair[0], room, heard[0]),
        listening(pair[1], room, heard[1]),
        connect(pair[1].url("/ws/")) as idle,
        listening(pair[0], "/flow/", told),
    ):
        wait_for("messages", lambda: len(heard[1]) > 50)
        service.redis.kill()
        wait_for("an error", lambda: told[-1].endswith("raised"))
        gone = time.monotonic()
        wait_for("the end of five seconds", lambda: time.monotonic() - gone > 5)
        before = len(heard[1])
        assert told[-1].endswith("raised")
        service.redis.start()
        wait_for("messages after the return", lambda: len(heard[1]) > before, 3)
        wait_for("more messages", lambda: len(heard[1]) > before + 50)
        assert open_still(idle)
    numbers, said = zip(*map(str.split, told), strict=True)
    # Redis answers the publisher first: it may crash before it delivers what it took last.
    last = numbers[said.index("raised") - 1]
    published = [line.split()[0] for line in told if line.endswith("published")]
    published.remove(last)
    for messages in heard:
        messages = [message for message in messages if message != last]
        assert messages[: len(published) - 5] == published[:-5]  # the last were under way


def test_a_connection_that_redis_closes_when_it_is_idle_costs_no_message(
    service: Service, pair: tuple[Running, Running]
) -> None:
    room = "/ws/rooms/idle/"
    with connect(pair[0].url(room)) as one, connect(pair[1].url(room)) as other:
        assert says(one, "first") == other.recv(timeout=30) == "first"
        service.redis.ask("CONFIG", "SET", "timeout", "1")
        try:
            # The one that is left asks.
            ids = ["CLIENT", "LIST", "TYPE", "normal"]
            wait_for("the end", lambda: len(service.redis.ask(*ids).splitlines()) == 1)
        finally:
            service.redis.ask("CONFIG", "SET", "timeout", "0")
        assert says(one, "second") == other.recv(timeout=30) == "second"
        assert says(other, "third") == one.recv(timeout=30) == "third"


def test_clients_whose_subscription_is_lost_while_others_publish_get_everything(
    service: Service, pair: tuple[Running, Running]
) -> None:
    told: list[str] = []
    room = "/ws/rooms/probe/"
    with (
        connect(pair[0].url(room), max_queue=None) as here,
        connect(pair[1].url(room), max_queue=None) as there,
        connect(pair[1].url("/ws/")) as idle,
        listening(pair[0], "/flow/", told),
    ):
        wait_for("messages", lambda: len(told) > 10)
        service.redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        killed = len(told)
        for client in (here, there):
            got = [int(client.recv(timeout=30))]
            while got[-1] < killed + 50:
                got.append(int(client.recv(timeout=30)))
            assert got == [*range(got[0], got[-1] + 1)]
            assert got[0] < killed
        with connect(pair[1].url(room)) as late:
            first = int(late.recv(timeout=30))
            assert [int(text) for text in received(late, 20)] == [*range(first + 1, first + 21)]
        assert open_still(idle)
        assert not [line for line in told if line.endswith("raised")]


def test_a_service_starts_without_redis_says_so_and_recovers(
    service: Service,
) -> None:
    service.redis.kill()
    try:
        with service.process() as alone, connect(alone.url("/ws/")) as client:
            assert open_still(client)
            wait_for("a word", lambda: "Redis is away" in alone.log.read_text())
            with connect(alone.url("/ws/rooms/probe/")) as member:
                member.send("hello")
                assert member.recv(timeout=30) == "Not sent: Redis is away"
                service.redis.start()
                back = time.monotonic()
                wait_for("a broadcast", lambda: says(member, "again") == "again", 3)
                assert time.monotonic() - back < 3
    finally:
        if not service.redis.process:
            service.redis.start()


def says(member: ClientConnection, text: str) -> str:
    """What comes after the client has said something."""
    member.send(text)
    return str(member.recv(timeout=30))


def test_logout_closes_the_sessions_connections_in_every_process_and_no_others(
    service: Service, pair: tuple[Running, Running]
) -> None:
    leaving, staying = (log_in(service.installed, "ada", **service.variables) for _ in range(2))
    stranger = log_in(service.installed, "grace", **service.variables)

    def connected(server: Running, session: str) -> ClientConnection:
        cookie = {"Cookie": f"sessionid={session}"}
        return connect(server.url("/ws/"), additional_headers=cookie)

    with (
        connected(pair[0], leaving) as here,
        connected(pair[1], leaving) as there,
        connected(pair[1], staying) as other_session,
        connected(pair[1], stranger) as other_user,
        connect(pair[1].url("/ws/")) as anonymous,
    ):
        visit(pair[0], "/leave/now/", Cookie=f"sessionid={leaving}")
        assert closed(here) == closed(there) == (4401, "logged out")
        for client in (other_session, other_user, anonymous):
            assert open_still(client)
        cookie = {"Cookie": f"sessionid={leaving}"}
        assert handshake(pair[1].address, "/private/", **cookie) in {302, 403}
        cookie = {"Cookie": f"sessionid={staying}"}
        assert handshake(pair[1].address, "/private/", **cookie) == 101


def changes(client: ClientConnection, number: int, seconds: float) -> list[tuple[str, str]]:
    """So many joins and leaves that a watcher is told of, all in so many seconds."""
    until = time.monotonic() + seconds
    told = [json.loads(client.recv(timeout=until - time.monotonic())) for _ in range(number)]
    return [(word, member) for each in told for word, member in each.items()]


def test_the_members_of_a_process_that_is_killed_leave_once_but_for_those_who_come_back(
    service: Service, pair: tuple[Running, Running]
) -> None:
    names = [f"member-{number}" for number in range(50)]
    with ExitStack() as stack, service.process() as doomed:
        watchers = [stack.enter_context(connect(server.url("/watch/"))) for server in pair]
        for watcher in watchers:
            assert json.loads(watcher.recv(timeout=30)) == []
        for name in names:
            stack.enter_context(connect(doomed.url(f"/enter/{name}/")))
        for watcher in watchers:
            assert sorted(changes(watcher, 50, 5)) == sorted(("joined", name) for name in names)
        kill(doomed.process)
        killed = time.monotonic()
        for name in names[:5]:
            stack.enter_context(connect(pair[0].url(f"/enter/{name}/")))
        for watcher in watchers:
            seconds = killed + 15 - time.monotonic()
            expected = [("left", name) for name in names[5:]]
            assert sorted(changes(watcher, 45, seconds)) == sorted(expected)
        with connect(pair[1].url("/watch/")) as late:
            assert json.loads(late.recv(timeout=30)) == sorted(names[:5])
        with connect(pair[1].url("/enter/last/")):
            for watcher in watchers:
                assert changes(watcher, 1, 5) == [("joined", "last")]  # and nothing in between


@pytest.mark.parametrize("service", [parameter("uvicorn", "pytest")], indirect=True)
def test_who_leaves_while_redis_is_away_is_said_to_when_it_is_back_and_nobody_else(
    service: Service, pair: tuple[Running, Running]
) -> None:
    with (
        connect(pair[0].url("/watch/")) as watcher,
        connect(pair[0].url("/enter/staying/")),
        connect(pair[1].url("/enter/staying/")),
    ):
        wait_for("its join", lambda: "joined" in str(watcher.recv(timeout=30)))
        with connect(pair[1].url("/enter/leaving/")):
            assert changes(watcher, 1, 5) == [("joined", "leaving")]
            service.redis.kill()
        with connect(pair[0].url("/enter/coming/")):  # it is accepted without Redis
            service.redis.start()
            assert sorted(changes(watcher, 2, 15)) == [("joined", "coming"), ("left", "leaving")]
            with connect(pair[1].url("/watch/")) as late:
                assert json.loads(late.recv(timeout=30)) == ["coming", "staying"]
        assert changes(watcher, 1, 5) == [("left", "coming")]


def test_a_ticket_of_one_process_opens_one_connection_to_any(
    service: Service, pair: tuple[Running, Running]
) -> None:
    def offered() -> list[Subprotocol]:
        request = Request(f"http://{pair[0].address}/ticket/joan/", method="POST")
        with urlopen(request, timeout=30) as answer:
            return [Subprotocol("realtime"), Subprotocol(json.load(answer)["ticket"])]

    with connect(pair[1].url("/private/"), subprotocols=(first := offered())) as client:
        assert client.subprotocol == "realtime"
        assert str(client.recv(timeout=30)).startswith("joan ")
    for server in pair:
        with pytest.raises(InvalidStatus) as refused:
            connect(server.url("/private/"), subprotocols=first)
        assert refused.value.response.status_code == (403 if service.name == "daphne" else 401)
    with connect(pair[1].url("/ws/"), subprotocols=offered()) as client:
        visit(pair[0], "/kick/joan/")
        assert closed(client) == (4000, "kicked")


def test_socket_js_comes_from_another_origin_and_from_node_with_a_ticket_for_each_try(
    service: Service, pair: tuple[Running, Running], browser: Browser, tmp_path: Path
) -> None:
    urls = [pair[0].url("/private/"), f"http://{pair[1].address}/ticket/joan/"]
    with answering(404, service.page) as pages, browser.new_page() as page:
        page.goto(pages.url("/"))
        page.wait_for_function("!!window.start")
        page.evaluate(START, urls)
        page.wait_for_function("seen.some(([name]) => name === 'end')")
        seen = page.evaluate("seen")
    assert [name for name, _ in seen] == ["open", "message", "end"]
    assert seen[1][1].startswith("joan ") and seen[2][1]["code"] == 1000
    shutil.copy(MODULE, tmp_path / "socket.mjs")
    (tmp_path / "main.mjs").write_text(IN_NODE)
    command = [program("node"), "--no-warnings", "--experimental-websocket", "main.mjs", *urls]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert done.stdout.startswith("joan ") and done.stdout.endswith("1000\n"), done.stderr


def test_a_user_has_so_many_connections_to_each_process_and_no_more(
    service: Service, pair: tuple[Running, Running]
) -> None:
    cookie = {"Cookie": f"sessionid={log_in(service.installed, 'hedy', **service.variables)}"}
    with ExitStack() as stack:
        for server in (*pair, *pair, *pair):
            stack.enter_context(connect(server.url("/ws/"), additional_headers=cookie))
        refused = 403 if service.name == "daphne" else 429
        assert handshake(pair[0].address, "/ws/", **cookie) == refused
        assert handshake(pair[0].address, "/ws/") == 101


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/change/ada/password/", (4401, "account changed")),
        ("/kick/ada/", (4000, "kicked")),
        ("/change/ada/is_active/", (4401, "account changed")),
    ],
)
def test_a_users_connections_are_closed_in_every_process_and_no_others(
    service: Service, pair: tuple[Running, Running], path: str, expected: tuple[int, str]
) -> None:
    sessions = [log_in(service.installed, name, **service.variables) for name in ("ada", "grace")]
    ada, grace = ({"Cookie": f"sessionid={session}"} for session in sessions)
    with (
        connect(pair[0].url("/ws/"), additional_headers=ada) as here,
        connect(pair[1].url("/ws/"), additional_headers=ada) as there,
        connect(pair[1].url("/ws/"), additional_headers=grace) as stranger,
    ):
        visit(pair[0], path)
        assert closed(here) == closed(there) == expected
        assert open_still(stranger)
