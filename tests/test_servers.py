"""Each ASGI server, started as in production, with real clients."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.clients import by_hand, holds, read_to_the_end
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.serving import Running, handshake, log_in, serving, wait_for

HEARS_AFTER_ITS_CLOSE = [  # granian ends TCP with it, and resets who answers in that moment
    parameter(server, "pytest") for server in ("uvicorn", "hypercorn", "daphne")
]
SAYS_THAT_ITS_CLIENT_LEFT = [parameter(server, "pytest") for server in ("uvicorn", "daphne")]


@pytest.fixture(scope="module", params=[parameter(server, "pytest") for server in SERVERS])
def server(
    request: pytest.FixtureRequest,
    installed: Callable[[str, str], Installed],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """A server with a user who is logged in."""
    asgi_server, _ = request.param
    folder = tmp_path_factory.mktemp(asgi_server)
    project = installed(*request.param)
    variables = {
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "CSRF_TRUSTED_ORIGINS": "https://app.example.com,https://*.example.org,app://localhost",
    }
    project.run("manage.py", "migrate", "--verbosity", "0", **variables)
    session = log_in(project, "ada", **variables)
    with serving(project, asgi_server, folder / "log", **variables) as running:
        running.session = session
        yield running


def told(server: Running, path: str, **headers: str) -> str | bytes:
    """The first message of the loop."""
    with connect(server.url(path), additional_headers=headers) as client:
        return client.recv(timeout=30)


@pytest.mark.parametrize("path", ["/", "/ws/"])
@pytest.mark.parametrize(
    "message", [b"ping", b"", "", "x" * 1_000_000, "PING"], ids=lambda m: m[:5]
)
def test_ping_is_answered_and_all_else_ignored(
    server: Running, path: str, message: str | bytes
) -> None:
    with connect(server.url(path)) as client:
        client.send(message)
        client.send("ping")
        assert client.recv(timeout=30) == "pong!"
        client.send("ping")
        assert client.recv(timeout=30) == "pong!"


@pytest.mark.parametrize("path", ["/answered/", "/published/"])
def test_an_empty_message_is_sent_and_all_that_is_said_before_the_end(
    server: Running, path: str
) -> None:
    said: list[str | bytes] = ["", b"", "one", *["x" * 300_000] * 3, *["word"] * 20, "bye"]
    with connect(server.url(path), ping_interval=None) as client:
        for message in said:
            client.send(message)
        assert [client.recv(timeout=30) for _ in said] == said
        with pytest.raises(ConnectionClosedOK):
            client.recv(timeout=30)


def test_text_that_is_none_ends_its_client_and_fills_no_log(server: Running) -> None:
    before = len(server.log.read_text())
    with by_hand(server, "/ws/") as client:
        assert b" 101 " in client.recv(4096)
        client.sendall(b"\x81\x82\0\0\0\0\xff\xff")
        read_to_the_end(client)
    assert "Traceback" not in server.log.read_text()[before:]


def test_thousands_of_messages_at_once_are_read_in_order_and_all_before_their_client_leaves(
    server: Running,
) -> None:
    numbers = b"".join(b"\x81\x85\0\0\0\0%05d" % n for n in range(10_000))
    with by_hand(server, "/sum/") as client:
        assert b" 101 " in client.recv(4096)
        client.sendall(numbers + b"\x88\x82\0\0\0\0\x03\xe8")  # and a close
    said = "got 10000 in order, then a disconnect"
    wait_for("all of them", lambda: said in server.log.read_text(), 20)


def test_the_largest_message_has_one_mebibyte_in_one_frame_or_many_and_none_is_compressed(
    server: Running,
) -> None:
    size = 1 << 20
    whole, tail = ["x" * 1024] * 1024, "x"
    with connect(server.url("/ws/")) as client:  # which offers to compress
        assert client.protocol.extensions == []
        for message in ("x" * size, b"x" * size, whole):
            client.send(message)
        client.send("ping")
        assert client.recv(timeout=30) == "pong!"
        client.send([*whole, tail])
        if server.name == "granian":  # which has a limit of its own
            client.send("ping")
            assert client.recv(timeout=30) == "pong!"
        else:
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=30)
            assert closed.value.rcvd and closed.value.rcvd.code == 1009


def test_what_a_client_says_reaches_the_room_with_its_position_even_if_it_is_the_largest(
    server: Running,
) -> None:
    with connect(server.url("/ws/rooms/large/?after="), max_size=None) as client:
        client.recv(timeout=30)  # where it stands
        client.send("x" * (1 << 20))
        assert len(client.recv(timeout=30)) > 1 << 20


@pytest.mark.parametrize(
    ("status", "path", "headers"),
    [
        (404, "/nowhere/", {}),
        (404, "/login/", {}),
        (400, "/ws/", {"Host": "evil.example"}),
        (403, "/ws/", {"Origin": "http://evil.example"}),
        (403, "/ws/", {"Origin": "https://127.0.0.1"}),
        (403, "/ws/", {"Origin": "http://127.0.0.1"}),
        (302, "/private/", {}),
        (403, "/permitted/", {}),
        (500, "/broken/", {}),
    ],
    ids=str,
)
def test_a_refusal_is_djangos(
    server: Running, status: int, path: str, headers: dict[str, str]
) -> None:
    expected = 403 if server.name == "daphne" else status  # which has no denial response
    assert handshake(server.address, path, **headers) == expected
    assert "without completing handshake" not in server.log.read_text()


def test_its_own_and_trusted_origins_are_accepted(server: Running) -> None:
    own = f"http://{server.address}"
    trusted = ("https://app.example.com", "https://deep.sub.example.org", "app://localhost")
    for origin in (own, *trusted):
        with connect(server.url("/ws/"), origin=Origin(origin)) as client:
            client.send("ping")
            assert client.recv(timeout=30) == "pong!"


def test_no_cache_may_answer_a_handshake_with_the_page(server: Running) -> None:
    with urlopen(f"http://{server.address}/", timeout=30) as page:
        assert "Upgrade" in page.headers["Vary"]


def test_plain_http_is_told_to_upgrade(server: Running) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://{server.address}/ws/", timeout=30)
    assert refused.value.code == 426
    assert b"a proxy may have dropped the Upgrade header" in refused.value.read()


def test_the_loop_has_the_user_of_the_session(server: Running) -> None:
    cookie = f"sessionid={server.session}"
    for path in ("/private/", "/permitted/"):
        assert told(server, path, Cookie=cookie) == "ada False {}"


def test_the_page_and_a_loop_that_needs_no_user_need_no_tables(
    server: Running, installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    project = installed(server.name, "pytest")
    empty = {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"}
    with serving(project, server.name, tmp_path / "log", **empty) as unmigrated:
        stale = {"Cookie": f"sessionid={server.session}"}
        assert urlopen(Request(f"http://{unmigrated.address}/", headers=stale)).status == 200
        assert handshake(unmigrated.address, "/ws/", **stale) == 101
        assert "no such table: django_session" in unmigrated.log.read_text()


def test_a_page_behind_tls_is_secure(server: Running) -> None:
    secure = {"X-Forwarded-Proto": "https"}
    assert told(server, "/tell/it/", **secure) == "AnonymousUser True {'word': 'it'}"


@pytest.mark.parametrize("server", [parameter("uvicorn", "pytest")], indirect=True)
def test_hundreds_of_tickets_are_good_at_once(server: Running) -> None:
    def ticket() -> Subprotocol:
        with urlopen(Request(f"http://{server.address}/ticket/ada/", method="POST")) as answer:
            return Subprotocol(json.load(answer)["ticket"])

    for offered in [ticket() for _ in range(400)][::100]:
        subprotocols = [Subprotocol("realtime"), offered]
        with connect(server.url("/private/"), subprotocols=subprotocols) as client:
            assert client.recv(timeout=30) == "ada False {}"


def test_a_loop_that_returns_closes_with_1000(server: Running) -> None:
    with connect(server.url("/tell/it/")) as client:
        client.recv(timeout=30)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=30)
    assert closed.value.rcvd and closed.value.rcvd.code == 1000


@pytest.mark.parametrize("server", HEARS_AFTER_ITS_CLOSE, indirect=True)
def test_a_client_that_has_answered_a_close_is_not_reset(server: Running) -> None:
    with by_hand(server, "/tell/it/") as client:  # or WebKit would forget the code
        assert read_to_the_end(client).endswith(b"\x88\x02\x03\xe8")
        client.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
        assert client.recv(1000) == b""


@pytest.mark.parametrize("server", HEARS_AFTER_ITS_CLOSE, indirect=True)
def test_a_client_with_messages_under_way_when_it_is_closed_is_still_heard(
    server: Running,
) -> None:
    with by_hand(server, "/leave/") as client:
        read_to_the_end(client)
        client.sendall(b"\x81\x85\0\0\0\0hello" * 400)
        time.sleep(0.3)  # the server tells nobody when it has read them
        client.sendall(b"\x88\x82\0\0\0\0\x0f\xa0")
        client.settimeout(4)
        with suppress(ConnectionResetError):
            assert client.recv(4096) == b""


def test_a_loop_that_closes_by_itself_has_the_last_word(server: Running) -> None:
    with connect(server.url("/leave/")) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=30)
    assert closed.value.rcvd and closed.value.rcvd.code == 4000


def test_a_loop_that_raises_closes_with_1011_and_is_reported(server: Running) -> None:
    with connect(server.url("/fail/")) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=30)
    assert closed.value.rcvd and closed.value.rcvd.code == 1011
    wait_for("the traceback", lambda: "RuntimeError: the loop failed" in server.log.read_text())
    wait_for("the signal", lambda: "observed /fail/" in server.log.read_text())


@pytest.mark.parametrize("server", SAYS_THAT_ITS_CLIENT_LEFT, indirect=True)
def test_a_client_that_leaves_while_it_is_sent_to_is_no_error(server: Running) -> None:
    for _ in range(5):
        with connect(server.url("/flood/"), close_timeout=0.5) as client:  # which is not answered
            for _ in range(100):
                client.recv(timeout=30)
    wait_for("the ends", lambda: server.log.read_text().count("left /flood/") == 5)
    assert "Exception in the loop: /flood/" not in server.log.read_text()


def test_an_open_connection_keeps_none_of_what_the_server_made_of_its_handshake(
    server: Running,
) -> None:
    assert told(server, "/kept/") == "0"


def test_what_the_log_says_of_a_connection_names_its_path(server: Running) -> None:
    before = len(server.log.read_text())
    for _ in range(2):
        assert str(told(server, "/tell/log/")).startswith("AnonymousUser")
    lines = server.log.read_text()[before:].splitlines()
    paths = ("/tell/log/", "/kept/")  # of the test before some may come late
    assert [line for line in lines if not any(path in line for path in paths)] == []


def test_an_open_connection_keeps_no_database_open(server: Running) -> None:
    cookie = {"Cookie": f"sessionid={server.session}"}
    with connect(server.url("/private/"), additional_headers=cookie) as client:
        assert str(client.recv(timeout=30)).startswith("ada")
    with connect(server.url("/ws/"), additional_headers=cookie) as client:
        file = server.log.with_name("db.sqlite3")
        wait_for("a closed database", lambda: not holds(server, file), 5)
        client.send("ping")
        assert client.recv(timeout=30) == "pong!"


def test_loops_recover_from_a_lost_database_connection(server: Running) -> None:
    def counted() -> bool:
        with connect(server.url("/count/")) as client, suppress(ConnectionClosed):
            return client.recv(timeout=30) == "1"
        return False

    for _ in range(2):
        wait_for("an answer of the database", counted, 5)


def test_a_cookie_goes_out_with_the_accept_where_the_server_can(server: Running) -> None:
    with connect(server.url("/cookie/")) as client:
        assert client.response
        sent = client.response.headers.get("Set-Cookie")
    assert sent == ("seen=yes; Path=/" if server.name in {"uvicorn", "hypercorn"} else None)


def test_a_secure_handshake_is_not_redirected(
    server: Running, installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    project = installed(server.name, "pytest")
    with serving(project, server.name, tmp_path / "log", SSL_REDIRECT="yes") as redirecting:
        refused = 403 if server.name == "daphne" else 301
        assert handshake(redirecting.address, "/ws/") == refused
        for scheme in ("https", "wss"):
            proxied = {"X-Forwarded-Proto": scheme}
            assert handshake(redirecting.address, "/ws/", **proxied) == 101


def test_it_stops_cleanly_on_sigterm(
    server: Running, installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    project = installed(server.name, "pytest")
    with serving(project, server.name, tmp_path / "log") as stopping:
        with connect(stopping.url("/ws/")) as client:
            client.send("ping")
            client.recv(timeout=30)
        assert stopping.stop() in {0, -signal.SIGTERM}  # both mean success to systemd
        assert "Traceback" not in stopping.log.read_text()
