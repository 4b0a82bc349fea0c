"""The client of the page, `realtime/static/realtime/socket.js`, against servers made up for it."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute

from tests.browser import MODULE, TEXTS, Answering, answering, until
from tests.installing import missing

ORIGIN = "http://localhost:8000"
pytestmark = pytest.mark.xdist_group("browser")


class Service:
    """A WebSocket service that a test plays by hand, and a page that uses it."""

    def __init__(self, page: Page, played: bool = True) -> None:
        self.page = page
        self.connections: list[WebSocketRoute] = []
        self.got: list[str | bytes] = []
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        if played:
            page.route_web_socket("**", self.connected)

    def connected(self, connection: WebSocketRoute) -> None:
        """Note a connection and what comes from it."""
        self.connections.append(connection)
        connection.on_message(lambda message: self.got.append(message))

    def open(self, url: str) -> None:
        """Open the page and wait for its script."""
        self.page.goto(url)
        self.until("the page's script", lambda: bool(self.page.evaluate("!!window.start")))

    def start(self, url: str = "/ws/", longest: int | None = None) -> None:
        """Make the page's socket."""
        self.page.evaluate("([url, longest]) => start(url, longest ?? undefined)", [url, longest])

    def seen(self, name: str) -> list[Any]:
        """The details of the events of this name."""
        events: list[list[Any]] = self.page.evaluate("seen")
        return [detail for event, detail in events if event == name]

    def await_events(self, name: str, number: int = 1) -> list[Any]:
        """The same when there are so many."""
        self.until(f"{number} times {name!r}", lambda: len(self.seen(name)) >= number)
        return self.seen(name)

    def await_got(self, *messages: str | bytes) -> None:
        """Wait until exactly these have come from the page."""
        self.until(f"{messages}, not {self.got}", lambda: self.got == [*messages])

    def until(self, awaited: str, happened: Callable[[], bool]) -> None:
        """Wait until the page has done it."""
        until(self.page, awaited, happened)

    def pass_time(self, seconds: float) -> None:
        """Let the page's clock run."""
        self.page.clock.run_for(int(seconds * 1000))


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A page's context, in which the module and the page that starts it are at ORIGIN."""
    with browser.new_context() as context:
        for path, text in TEXTS.items():
            kind = "text/javascript" if path.endswith("js") else "text/html"
            context.route(ORIGIN + path, fulfilling(body=text, content_type=kind))
        yield context


@pytest.fixture
def service(context: BrowserContext) -> Service:
    """A page whose clock stands still but for `pass_time`."""
    page = context.new_page()
    page.clock.install(time=datetime(2026, 1, 1))
    service = Service(page)
    service.open(ORIGIN)
    page.clock.pause_at(datetime(2026, 1, 2))
    return service


def fulfilling(**response: Any) -> Callable[[Any], None]:
    """A handler of requests that answers with the response."""
    return lambda route: route.fulfill(**response)


def test_its_types_fit() -> None:
    try:
        options = "--allowJs --checkJs --noEmit --strict --target es2022 --lib es2022,dom"
        checked = subprocess.run(
            ["tsc", *options.split(), str(MODULE)], capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError:
        missing("no tsc on PATH (Debian's node-typescript)")
    assert checked.returncode == 0, checked.stdout


def test_it_has_at_most_120_lines_and_imports_nothing() -> None:
    lines = MODULE.read_text("utf-8").splitlines()
    assert len(lines) <= 120
    assert not [line for line in lines if line.startswith("import")]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("/ws/?a=b", "ws://localhost:8000/ws/?a=b"),
        ("ws/", "ws://localhost:8000/ws/"),
        ("http://example.com/ws/#part", "ws://example.com/ws/"),
        ("https://example.com/ws/", "wss://example.com/ws/"),
        ("wss://example.com/ws/", "wss://example.com/ws/"),
    ],
)
def test_ws_and_wss_follow_from_the_url(service: Service, given: str, asked: str) -> None:
    service.start(given)
    service.await_events("open")
    assert [connection.url for connection in service.connections] == [asked]


def test_messages_arrive_as_text_or_bytes(service: Service) -> None:
    service.start()
    service.await_events("open")
    service.connections[0].send("text")
    service.connections[0].send(b"four")
    service.connections[0].send("pong!")
    assert service.await_events("message", 3) == ["text", "4 bytes", "pong!"]
    service.page.evaluate("socket.send('out')")
    service.page.evaluate("socket.send(new Uint8Array([1, 2]))")
    service.await_got("out", b"\x01\x02")


@pytest.mark.parametrize("code", [1000, 1008, 4000, 4401, 4999])
def test_after_a_final_close_it_ends(service: Service, code: int) -> None:
    service.start()
    service.await_events("open")
    service.connections[0].close(code=code, reason="enough")
    (loss,) = service.await_events("end")
    assert loss == {"code": code, "reason": "enough", "status": 0}
    service.page.evaluate("socket.send('late')")
    assert service.seen("drop") == ["late"]
    service.pass_time(120)
    assert len(service.connections) == 1 and service.seen("lost") == []


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013, 3000])
def test_after_any_other_close_it_connects_again(service: Service, code: int) -> None:
    service.start()
    service.await_events("open")
    service.connections[0].close(code=code)
    (loss,) = service.await_events("lost")
    assert loss["code"] == code and 0 <= loss["delay"] < 2000
    service.pass_time(2)
    service.await_events("open", 2)
    assert not [url for url in service.requests if "/ws/" in url]  # nothing was refused


def test_it_waits_twice_as_long_each_time_up_to_the_longest(service: Service) -> None:
    service.page.evaluate("Math.random = () => 0.5")
    service.start(longest=10_000)
    for times in range(1, 7):
        service.await_events("open", times)
        service.connections[-1].close(code=1011)
        loss = service.await_events("lost", times)[-1]
        service.pass_time(loss["delay"] / 1000)
    assert [loss["delay"] for loss in service.seen("lost")] == [1e3, 2e3, 4e3, 5e3, 5e3, 5e3]


def test_a_connection_that_lasted_begins_the_waiting_anew(service: Service) -> None:
    service.page.evaluate("Math.random = () => 0.5")
    service.start()
    for times in range(1, 4):
        service.await_events("open", times)
        service.pass_time(1)
        service.connections[-1].close(code=1012)
        service.await_events("lost", times)
        service.pass_time(1)
    assert [loss["delay"] for loss in service.seen("lost")] == [1e3, 1e3, 1e3]


def test_what_is_sent_meanwhile_is_kept_in_order_and_what_is_too_much_is_told(
    service: Service,
) -> None:
    service.start()
    service.await_events("open")
    service.connections[0].close(code=1012)
    service.await_events("lost")
    service.page.evaluate("for (let i = 0; i < 103; i++) socket.send(String(i))")
    assert service.seen("drop") == ["100", "101", "102"]
    service.pass_time(2)
    service.await_events("open", 2)
    service.await_got(*map(str, range(100)))


def test_what_still_waits_at_the_end_is_told(service: Service) -> None:
    service.start()
    service.await_events("open")
    service.connections[0].close(code=1012)
    service.await_events("lost")
    service.page.evaluate("socket.send('kept'); socket.close()")
    assert service.seen("drop") == ["kept"]
    assert service.seen("end") == [{"code": 1000, "reason": "", "status": 0}]
    service.pass_time(60)
    assert len(service.connections) == 1


def test_close_ends_it_once_with_the_code_that_the_server_sees(service: Service) -> None:
    service.start()
    service.await_events("open")
    codes: list[tuple[int | None, str | None]] = []
    service.connections[0].on_close(lambda code, reason: codes.append((code, reason)))
    service.page.evaluate("socket.close(4001, 'done'); socket.close(4001, 'done')")
    service.until("the close", lambda: {*codes} == {(4001, "done")})
    assert service.seen("end") == [{"code": 4001, "reason": "done", "status": 0}]


def test_it_asks_when_idle_and_keeps_the_answer_to_itself(service: Service) -> None:
    service.start()
    service.await_events("open")
    for times in range(1, 4):
        service.pass_time(19)
        assert len(service.got) == times - 1
        service.pass_time(1)
        service.await_got(*["ping"] * times)
        service.connections[0].send("pong!")
    service.page.evaluate("socket.send('ping')")
    service.await_got(*["ping"] * 4)
    service.connections[0].send("pong!")
    assert service.await_events("message") == ["pong!"] and service.seen("lost") == []


def test_any_message_shows_that_the_server_is_there(service: Service) -> None:
    service.start()
    service.await_events("open")
    for times in range(1, 5):
        service.pass_time(15)
        service.connections[0].send("news")
        service.await_events("message", times)
    assert service.got == []


def test_a_missing_answer_is_a_dead_connection(service: Service) -> None:
    service.start()
    service.await_events("open")
    service.pass_time(30)
    (loss,) = service.await_events("lost")
    assert (loss["code"], loss["reason"]) == (1006, "no answer")
    service.pass_time(2)
    service.await_events("open", 2)
    service.connections[0].send("from the dead")
    service.connections[1].send("from the living")
    assert service.await_events("message") == ["from the living"]


def test_a_handshake_without_an_answer_is_given_up(browser: Browser) -> None:
    with socket.create_server(("localhost", 0)) as silent, browser.new_page() as page:
        page.clock.install()
        service = Service(page, played=False)
        with answering(200) as here:
            service.open(here.url("/"))
        service.start(f"ws://localhost:{silent.getsockname()[1]}/", longest=20)
        silent.settimeout(5)
        first, _ = silent.accept()
        service.pass_time(10)
        first.settimeout(5)
        while first.recv(1000):
            pass
        first.close()
        service.until("a question over HTTP", lambda: len(service.requests) == 4)
        service.pass_time(10)
        service.await_events("lost")


def test_a_connection_that_the_page_s_policy_blocks_is_said(context: BrowserContext) -> None:
    service = Service(context.new_page(), played=False)
    service.open(ORIGIN)
    service.page.evaluate(
        """() => document.head.append(Object.assign(document.createElement("meta"), {
            httpEquiv: "Content-Security-Policy", content: "connect-src 'none'"
        }))"""
    )
    service.start()
    (loss,) = service.await_events("lost")
    assert (loss["code"], loss["status"]) == (1006, 0)


def test_it_does_not_try_while_the_browser_is_offline(
    service: Service, context: BrowserContext
) -> None:
    service.start()
    service.await_events("open")
    context.set_offline(True)
    service.connections[0].close(code=1006)
    service.await_events("lost")
    service.pass_time(60)
    assert len(service.connections) == 1
    context.set_offline(False)
    service.pass_time(2)
    service.await_events("open", 2)


@pytest.mark.parametrize("status", [200, 301, 302, 401, 403, 404])
def test_a_refusal_for_good_ends_it_with_its_status_after_two_requests(
    browser: Browser, status: int
) -> None:
    with answering(status) as there, browser.new_page() as page:
        service = started(page, there, there)
        (loss,) = service.await_events("end")
        told = {301: 302, 200: 404}.get(status, status)  # any redirect; a page
        assert loss == {"code": 1006, "reason": "", "status": told}
        page.wait_for_timeout(200)  # ten times as long as it would wait to try again
        assert there.asked == ["WebSocket", "HTTP"] and service.seen("lost") == []


@pytest.mark.parametrize("status", [400, 426, 429, 500, 502, 503])
def test_any_other_refusal_is_tried_again(browser: Browser, status: int) -> None:
    with answering(status) as there, browser.new_page() as page:
        service = started(page, there, there)
        losses = service.await_events("lost", 2)
        assert {loss["status"] for loss in losses} == {status} and service.seen("end") == []


def test_a_server_that_is_away_is_tried_again(browser: Browser) -> None:
    with answering(200) as here, browser.new_page() as page:
        with answering(200) as there:
            away = there
        service = started(page, here, away)
        losses = service.await_events("lost", 2)
        assert {loss["status"] for loss in losses} == {0} and service.seen("end") == []


@pytest.mark.parametrize("status", [302, 403, 426, 503])
def test_a_refusal_to_a_page_of_another_origin_ends_it_as_403(
    browser: Browser, status: int
) -> None:
    with answering(status) as there, answering(200) as here, browser.new_page() as page:
        service = started(page, here, there)
        (loss,) = service.await_events("end")
        page.wait_for_timeout(200)
        assert loss["status"] == 403 and there.asked == ["WebSocket", "HTTP"]


def started(page: Page, here: Answering, there: Answering) -> Service:
    """A page of one server with a socket to another, without waiting long between its tries."""
    service = Service(page, played=False)
    service.open(here.url("/"))
    service.start(there.url("/ws/"), longest=20)
    return service
