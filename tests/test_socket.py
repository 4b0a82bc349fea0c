"""The client of the page, `realtime/static/realtime/socket.js`, against servers made up for it."""

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocket, WebSocketRoute
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.browser import MODULE, TEXTS, Answering, answering, until
from tests.installing import missing
from tests.rendering import FOLDER, TEMPLATE

ORIGIN = "http://localhost:8000"
WAKES = ["visibilitychange", "pageshow", "online"]
WAKE = """([name, times, hidden, persisted]) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true })
  const target = name === "visibilitychange" ? document : window
  for (let i = 0; i < times; i++) target.dispatchEvent(
    name === "pageshow" ? new PageTransitionEvent(name, { persisted })
                        : new Event(name, { bubbles: true }))
}"""
IN_A_WORKER = """
import { ReconnectingWebSocket } from "%(module)s"
const socket = new ReconnectingWebSocket("%(url)s")
socket.addEventListener("open", () => self.dispatchEvent(new Event("online")))
socket.addEventListener("end", () => postMessage(`${typeof window} ${typeof document}`))
"""
IN_NODE = """
import { ReconnectingWebSocket } from "./socket.mjs"
globalThis.WebSocket = class {
  constructor(url) { setTimeout(() => { this.readyState = 1; this.onopen() }) }
  send(data) { console.log(data); this.onclose({ code: 1000, reason: "" }) }
  close() {}
}
const socket = new ReconnectingWebSocket("ws://example.com/")
socket.addEventListener("end", ({ detail }) => console.log(detail.code))
socket.send("hello")
"""
RS = "\x1e"  # as in the frames of `subscribe(…, after=…)`
MESSAGES = ["text", "", f"a{RS}b", RS, f"{RS}!x-1", f"{RS}x-1{RS}", "pong!", "ä", "long" * 100]
BINARY = [b"bytes", b"", b"a\x1eb", b"\x1e", b"\x1e!x-1", b"\xff\x81\x00", bytes(range(256))]
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

    def start(self, url: str = "/ws/", **options: Any) -> None:
        """Make the page's socket."""
        self.page.evaluate("([url, options]) => start(url, options)", [url, options])

    def events(self) -> list[list[Any]]:
        """The names and details of all events."""
        events: list[list[Any]] = self.page.evaluate("seen")
        return events

    def seen(self, name: str) -> list[Any]:
        """The details of the events of this name."""
        return [detail for event, detail in self.events() if event == name]

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

    def wake(
        self, name: str = "online", times: int = 1, hidden: bool = False, persisted: bool = True
    ) -> None:
        """Let the page have the event so many times, and do what it does at once."""
        self.page.evaluate(WAKE, [name, times, hidden, persisted])
        self.pass_time(0.001)

    def await_waiting(self) -> None:
        """Wait until the page has lost its first connection, and waits for nearly two seconds."""
        self.page.evaluate("Math.random = () => 0.99")
        self.await_events("open")
        self.connections[0].close(code=1012)
        self.await_events("lost")


class Channel:
    """A channel that is served as `subscribe(…, after=…)` does it, and can be cut off."""

    def __init__(self) -> None:
        self.epoch = "epoch"
        self.published: list[str | bytes] = []
        self.forgotten = 0  # so many of them
        self.asked: list[str] = []
        self.connection: ServerConnection | None = None
        self.lock = RLock()

    def serve(self, connection: ServerConnection) -> None:
        """Send what was missed, then what comes, until the client leaves."""
        assert connection.request
        query = parse_qs(urlsplit(connection.request.path).query, keep_blank_values=True)
        with self.lock:
            self.asked += query["after"]
            epoch, _, offset = self.asked[-1].rpartition("-")
            known = epoch == self.epoch and int(offset) >= self.forgotten
            begin = int(offset) if known else len(self.published)
            gap = "!" if self.asked[-1] and not known else ""
            connection.send(f"{RS}{gap}{self.epoch}-{begin}")
            for number in range(begin, len(self.published)):
                connection.send(self.marked(number))
            self.connection = connection
        with suppress(ConnectionClosed):  # cut
            for _ in connection:
                pass

    def marked(self, number: int) -> str | bytes:
        """A message behind its position."""
        mark, message = f"{RS}{self.epoch}-{number + 1}{RS}", self.published[number]
        return mark + message if isinstance(message, str) else mark.encode() + message

    def publish(self, *messages: str | bytes) -> None:
        """Keep them, and send them if somebody is there."""
        with self.lock:
            for message in messages:
                self.published.append(message)
                if self.connection:
                    self.connection.send(self.marked(len(self.published) - 1))

    def cut(self) -> None:
        """Break the connection."""
        assert self.connection
        self.connection.socket.shutdown(socket.SHUT_RDWR)
        self.connection = None


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


def test_it_has_at_most_190_lines_and_imports_nothing() -> None:
    lines = MODULE.read_text("utf-8").splitlines()
    assert len(lines) <= 190
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
    assert service.await_events("message", 3) == ["text", [*b"four"], "pong!"]
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


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 1012, 1013, 1014, 3000, 4429])
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


def test_what_an_open_handler_sends_comes_before_what_waited(service: Service) -> None:
    service.start()
    service.await_waiting()
    service.page.evaluate("socket.addEventListener('open', () => socket.send('I am'))")
    service.page.evaluate("socket.send('one'); socket.send('two')")
    service.pass_time(2)
    service.await_got("I am", "one", "two")


def test_an_open_handler_may_close_and_what_waited_is_told(service: Service) -> None:
    service.start()
    service.await_waiting()
    service.page.evaluate("socket.send('kept')")
    service.page.evaluate("socket.addEventListener('open', () => socket.close())")
    service.pass_time(2)
    service.await_events("end")
    assert service.seen("drop") == ["kept"] and service.got == []


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
    forbid(service.page, "'none'")
    service.start()
    loss = service.await_events("lost")[0]
    assert (loss["code"], loss["status"]) == (1006, 0)


def test_a_browser_that_says_it_is_offline_tries_as_ever(
    service: Service, context: BrowserContext
) -> None:
    context.set_offline(True)  # as with a service on the same machine: the connections are played
    service.start()
    service.await_waiting()
    assert service.page.evaluate("navigator.onLine") is False
    service.pass_time(2)
    service.await_events("open", 2)


def test_it_tries_at_once_when_the_network_is_back(
    service: Service, context: BrowserContext
) -> None:
    service.start()
    context.set_offline(True)
    service.await_waiting()
    context.set_offline(False)  # the browser's own event
    service.until("the event", lambda: bool(service.page.evaluate("navigator.onLine")))
    service.pass_time(0.001)
    service.await_events("open", 2)


@pytest.mark.parametrize("name", WAKES)
def test_back_again_it_asks_at_once_and_gives_up_within_three_seconds(
    service: Service, name: str
) -> None:
    service.start()
    service.await_events("open")
    service.wake(name)
    service.await_got("ping")
    service.pass_time(1.9)
    assert service.seen("lost") == []
    service.pass_time(0.2)
    (loss,) = service.await_events("lost")
    assert (loss["code"], loss["reason"]) == (1006, "no answer")
    service.pass_time(2)
    service.await_events("open", 2)


@pytest.mark.parametrize("name", WAKES)
def test_back_again_it_tries_at_once(service: Service, name: str) -> None:
    service.start()
    service.await_waiting()
    service.wake(name)
    service.await_events("open", 2)


def test_back_again_with_an_answer_it_stays_and_keeps_that_to_itself(service: Service) -> None:
    service.start()
    service.await_events("open")
    service.wake()
    service.await_got("ping")
    service.connections[0].send("pong!")
    service.connections[0].send("news")
    assert service.await_events("message") == ["news"]
    service.pass_time(19)
    assert service.seen("lost") == [] and service.got == ["ping"]


def test_back_again_a_question_under_way_is_not_repeated_and_has_two_seconds_more(
    service: Service,
) -> None:
    service.start()
    service.await_events("open")
    service.pass_time(20)
    service.await_got("ping")
    service.wake()
    service.pass_time(1)
    service.wake(times=100)  # which put nothing off
    service.pass_time(1)
    service.await_events("lost")
    assert service.got == ["ping"]


def test_back_again_the_waiting_begins_anew(service: Service) -> None:
    service.page.evaluate("Math.random = () => 0.5")
    service.start()
    for times in range(1, 4):
        service.await_events("open", times)
        service.connections[-1].close(code=1011)
        delay = service.await_events("lost", times)[-1]["delay"]
        service.pass_time(delay / 1000) if times < 3 else service.wake()
    service.await_events("open", 4)
    service.connections[-1].close(code=1011)
    assert service.await_events("lost", 4)[-1]["delay"] == 1000


def test_a_storm_of_events_makes_one_ping_a_second(service: Service) -> None:
    service.start()
    service.await_events("open")
    for times in range(1, 4):
        for name in WAKES:
            service.wake(name, times=100)
        service.await_got(*["ping"] * times)
        service.connections[0].send("pong!")
        service.connections[0].send("news")  # the answer has come
        service.await_events("message", times)
        service.wake(times=100)
        assert len(service.got) == times
        service.pass_time(1)
        service.await_got(*["ping"] * (times + 1))
        service.connections[0].send("pong!")
        service.got.pop()
        service.pass_time(1)
    assert service.seen("lost") == [] and len(service.connections) == 1


def test_a_storm_of_events_makes_one_connection_a_second(service: Service) -> None:
    service.start()
    service.await_waiting()
    for times in range(2, 5):
        for name in WAKES:
            service.wake(name, times=100)
        if times > 2:
            assert len(service.connections) == times - 1
            service.pass_time(1)
        service.await_events("open", times)
        service.connections[-1].close(code=1012)
        service.await_events("lost", times)


def test_neither_leaving_nor_the_first_show_of_the_page_is_a_return(service: Service) -> None:
    service.start()
    service.await_events("open")
    service.wake("visibilitychange", hidden=True)
    service.wake("pageshow", persisted=False)
    service.page.evaluate("socket.send('last')")
    service.await_got("last")


@pytest.mark.parametrize(("age", "left"), [(1, 9), (5, 2)])
def test_back_again_a_young_try_is_left_alone_and_an_older_one_soon_given_up(
    browser: Browser, age: int, left: int
) -> None:
    with socket.create_server(("localhost", 0)) as silent, browser.new_page() as page:
        page.clock.install(time=datetime(2026, 1, 1))
        service = Service(page, played=False)
        with answering(200) as here:
            service.open(here.url("/"))
        page.clock.pause_at(datetime(2026, 1, 2))
        service.start(f"ws://localhost:{silent.getsockname()[1]}/")
        silent.settimeout(5)
        connection, _ = silent.accept()
        asked = len(service.requests)
        service.pass_time(age)
        service.wake(times=100)
        service.pass_time(left - 0.1)
        assert len(service.requests) == asked
        service.pass_time(0.1)
        service.until("a question over HTTP", lambda: len(service.requests) == asked + 1)
        connection.close()


def test_nothing_listens_any_more_when_it_has_ended(service: Service) -> None:
    before = listeners(service.page)
    service.start()
    service.await_events("open")
    assert listeners(service.page) == sorted([*before, *WAKES])
    service.page.evaluate("socket.close()")
    assert listeners(service.page) == before


def test_it_works_in_a_worker(browser: Browser) -> None:
    got: list[str | bytes] = []

    def end(connection: ServerConnection) -> None:
        got.append(connection.recv(timeout=30))

    with websocket_server(end) as url, answering(200) as here, browser.new_page() as page:
        page.goto(here.url("/"))
        page.evaluate(
            """script => {
                const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }))
                new Worker(url, { type: "module" }).onmessage = ({ data }) => (window.told = data)
            }""",
            IN_A_WORKER % {"module": here.url("/socket.js"), "url": url},
        )
        until(page, "the worker's end", lambda: bool(page.evaluate("window.told")))
        assert page.evaluate("told") == "undefined undefined" and got == ["ping"]


def test_it_works_in_node(tmp_path: Path) -> None:
    (tmp_path / "socket.mjs").write_bytes(MODULE.read_bytes())
    (tmp_path / "main.mjs").write_text(IN_NODE, "utf-8")
    try:
        run = subprocess.run(
            ["node", "main.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=20
        )
    except FileNotFoundError:
        missing("no node on PATH")
    assert (run.stdout.split(), run.stderr) == (["hello", "1000"], "")


TICKETS = """([url, answers]) => start(url, { ticket: async () => {
  const answer = answers.shift()
  if (answer === "throws") throw new Error()
  return typeof answer === "string" ? answer : Response.json({ ticket: "ticket.b" }, answer)
} })"""


def test_it_fetches_a_ticket_before_each_try(browser: Browser) -> None:
    offered: list[list[str]] = []

    def serve_once(connection: ServerConnection) -> None:
        assert connection.request
        offered.append(connection.request.headers["Sec-WebSocket-Protocol"].split(", "))
        connection.close(1012)

    with (
        serve(serve_once, "localhost", 0, subprotocols=["realtime"]) as server,  # type: ignore[list-item]
        answering(404) as pages,
        browser.new_page() as page,
    ):
        Thread(target=server.serve_forever, daemon=True).start()
        service = Service(page, played=False)
        service.open(pages.url("/"))
        page.evaluate("Math.random = () => 0.01")
        url = f"ws://localhost:{server.socket.getsockname()[1]}/"
        given = ["ticket.a", {"status": 200}, "throws", "", {"status": 503}, {"status": 401}]
        page.evaluate(TICKETS, [url, given])
        [end] = service.await_events("end")
        assert offered == [["realtime", "ticket.a"], ["realtime", "ticket.b"]]
        assert [loss["status"] for loss in service.seen("lost")] == [0, 0, 0, 0, 503]
        assert (end["code"], end["status"]) == (1006, 401)
        assert not pages.asked


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_ends_it_with_where_it_leads(browser: Browser, status: int) -> None:
    with answering(status) as there, browser.new_page() as page:
        service = started(page, there, there)
        (loss,) = service.await_events("end")
        told = {"status": 302, "location": there.url("/")}
        assert loss == {"code": 1006, "reason": "", **told}
        page.wait_for_timeout(200)
        assert there.asked == ["WebSocket", "HTTP", "HTTP"] and service.seen("lost") == []


def test_a_redirect_to_another_origin_leads_where_the_browser_does_not_tell(
    browser: Browser,
) -> None:
    with answering(302) as there, answering(200) as elsewhere, browser.new_page() as page:
        there.location = elsewhere.url("/login")
        (loss,) = started(page, there, there).await_events("end")
        assert loss == {"code": 1006, "reason": "", "status": 302, "location": ""}


@pytest.mark.parametrize("status", [200, 401, 403, 404])
def test_a_refusal_for_good_ends_it_with_its_status_after_two_requests(
    browser: Browser, status: int
) -> None:
    with answering(status) as there, browser.new_page() as page:
        service = started(page, there, there)
        (loss,) = service.await_events("end")
        told = 404 if status == 200 else status  # a page
        assert loss == {"code": 1006, "reason": "", "status": told}
        page.wait_for_timeout(200)  # ten times as long as it would wait to try again
        assert there.asked == ["WebSocket", "HTTP"] and service.seen("lost") == []


@pytest.mark.parametrize("status", [400, 426, 429, 500])
def test_any_other_refusal_is_tried_again(browser: Browser, status: int) -> None:
    with answering(status) as there, browser.new_page() as page:
        service = started(page, there, there)
        losses = service.await_events("lost", 2)
        assert {loss["status"] for loss in losses} == {status} and service.seen("end") == []
        assert there.asked[:4] == ["WebSocket", "HTTP"] * 2


@pytest.mark.parametrize(("status", "later"), [(502, 404), (503, 302), (504, 404), (522, 302)])
def test_a_service_that_is_away_is_asked_by_http_alone_until_it_is_back(
    browser: Browser, status: int, later: int
) -> None:
    with answering(status) as there, browser.new_page() as page:
        service = started(page, there, there)
        losses = service.await_events("lost", 3)
        assert {loss["status"] for loss in losses} == {status}
        assert there.asked[:4] == ["WebSocket", "HTTP", "HTTP", "HTTP"]
        there.status = later
        (loss,) = service.await_events("end")
        assert loss["status"] == later and there.asked.count("WebSocket") == 2


@pytest.mark.parametrize("foreign", [False, True])
def test_a_server_that_is_away_is_tried_again(browser: Browser, foreign: bool) -> None:
    with answering(200) as there, browser.new_page() as page:
        service, sockets = Service(page, played=False), list[WebSocket]()
        page.on("websocket", lambda each: sockets.append(each))
        service.open(there.url("/"))
        with socket.create_server(("localhost", 0)) as closed:
            port = closed.getsockname()[1]
        there.shutdown()
        there.server_close()
        service.start(f"ws://localhost:{port}/" if foreign else "/ws/", longest=20)
        losses = service.await_events("lost", 3)
        assert {loss["status"] for loss in losses} == {0} and service.seen("end") == []
        assert len(sockets) > 1 if foreign else len(sockets) == 1  # HTTP tells too little of others


def test_back_again_it_asks_a_service_that_was_away_at_once(browser: Browser) -> None:
    with answering(503) as there, browser.new_page() as page:
        service = Service(page, played=False)
        service.open(there.url("/"))
        page.evaluate("Math.random = () => 10")  # twenty seconds
        service.start()
        service.await_events("lost")
        there.status = 404
        page.evaluate(WAKE, ["online", 1, False, True])
        assert service.await_events("end")[0]["status"] == 404


def test_where_http_alone_is_blocked_it_tries_a_websocket_after_90_seconds(
    browser: Browser,
) -> None:
    with answering(503) as there, browser.new_page() as page:
        page.clock.install()
        service = Service(page, played=False)
        service.open(there.url("/"))
        forbid(page, there.url("/ws/").replace("http", "ws"))
        service.start(longest=20)
        assert service.await_events("lost", 3)[-1]["status"] == 0
        assert there.asked == ["WebSocket"]
        page.clock.fast_forward(90_000)
        service.until("another", lambda: there.asked == ["WebSocket"] * 2)


@pytest.mark.parametrize("status", [302, 403, 426, 503])
def test_a_refusal_to_a_page_of_another_origin_ends_it_as_403(
    browser: Browser, status: int
) -> None:
    with answering(status) as there, answering(200) as here, browser.new_page() as page:
        service = started(page, here, there)
        (loss,) = service.await_events("end")
        page.wait_for_timeout(200)
        assert loss["status"] == 403 and there.asked == ["WebSocket", "HTTP"]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("/ws/", "/ws/?after="),
        ("/ws/?a=b#part", "/ws/?a=b&after="),
        ("/ws/?after=mine&a=b&after=too", "/ws/?after=&a=b"),
    ],
)
def test_one_that_resumes_asks_first_for_what_comes_from_now_on(
    service: Service, given: str, asked: str
) -> None:
    service.start(given, resume=True)
    service.await_events("open")
    assert [each.url for each in service.connections] == [f"ws://localhost:8000{asked}"]


@pytest.mark.parametrize("reason", ["too long away", "another epoch"])
def test_where_something_is_gone_a_gap_is_told_once_and_in_order(
    browser: Browser, reason: str
) -> None:
    with resuming(browser) as (service, channel):
        service.until("the connection", lambda: channel.connection is not None)
        channel.publish("one")
        service.await_events("message")
        with channel.lock:
            channel.cut()
            channel.publish("two", "three")
            if reason == "another epoch":
                channel.epoch, channel.published = "later", []
            else:
                channel.forgotten = 2
        for message, number in (("four", 2), ("five", 3)):
            service.until("its return", lambda: channel.connection is not None)
            channel.publish(message)
            service.await_events("message", number)
            with channel.lock:
                channel.cut()
        names = [name if name != "message" else detail for name, detail in service.events()]
        first, second = ["open", "one", "lost"], ["open", "gap", "four", "lost"]
        assert names[:9] == [*first, *second, "open", "five"]


def test_where_it_stands_is_not_handed_on_and_what_is_unmarked_is_as_it_is(
    service: Service,
) -> None:
    service.start(resume=True)
    service.await_events("open")
    longest = "x" * 64
    for frame in (f"{RS}a-1", f"{RS}a-1{RS}one of a state", f"{RS}a-2", f"{RS}{longest}"):
        service.connections[0].send(frame)
    unmarked = ["Not sent: full", "", RS, f"{RS}{RS}one", f"{RS}a b{RS}one", f"{RS}x{longest}"]
    for message in unmarked:
        service.connections[0].send(message)
    almost = b"\xef\xbb\xbf\x1ea-9\x1e"  # but for three bytes that UTF-8 leaves out
    service.connections[0].send(almost)
    service.connections[0].send(f"\x1e{longest}\x1e".encode() + b"bytes")
    told = service.await_events("message", len(unmarked) + 3)
    assert told == ["one of a state", *unmarked, [*almost], [*b"bytes"]]
    service.connections[0].close(code=1012)
    service.await_events("lost")
    service.pass_time(2)
    service.await_events("open", 2)
    assert service.connections[1].url.endswith(f"?after={longest}")


def test_a_published_answer_is_handed_on_and_its_own_is_not(service: Service) -> None:
    service.start(resume=True)
    service.await_events("open")
    service.pass_time(20)
    service.await_got("ping")
    for message in (f"{RS}a-1{RS}pong!", "pong!", "last"):
        service.connections[0].send(message)
    assert service.await_events("message", 2) == ["pong!", "last"]


def test_one_that_does_not_resume_touches_nothing(service: Service) -> None:
    service.start("/ws/?after=mine")
    service.await_events("open")
    for frame in (f"{RS}a-1", f"{RS}a-1{RS}text", f"{RS}!a-1", b"\x1ea-1\x1ebytes"):
        service.connections[0].send(frame)
    told = [f"{RS}a-1", f"{RS}a-1{RS}text", f"{RS}!a-1", [*b"\x1ea-1\x1ebytes"]]
    assert service.await_events("message", 4) == told and service.seen("gap") == []
    assert service.connections[0].url == "ws://localhost:8000/ws/?after=mine"


def test_cut_before_it_knew_where_it_stood_it_asks_for_a_gap(service: Service) -> None:
    service.start(resume=True)
    service.await_waiting()
    service.pass_time(2)
    service.await_events("open", 2)
    assert service.connections[1].url.endswith("?after=-")
    service.connections[1].send(f"{RS}!a-1")
    assert service.await_events("gap") == [{}]


def test_the_document_s_example_shows_no_older_state_over_a_newer_message(
    service: Service,
) -> None:
    questions: list[Route] = []
    service.page.route("**/lobby/", lambda route: questions.append(route))
    document = (TEMPLATE / FOLDER / "docs/browser.md").read_text("utf-8")
    example = re.search(r"(?:    .+\n)+", document.partition("## What it missed\n")[2])
    assert example
    service.page.evaluate("window.shown = []; window.show = text => shown.push(text); 0")
    service.page.evaluate(example[0].replace("const socket", "window.socket"))
    service.page.evaluate("watch(socket)")

    def come(connection: int, first: str, then: str, state: str, message: str) -> None:
        service.until("a connection", lambda: len(service.connections) > connection)
        service.connections[connection].send(f"{RS}{first}")
        service.connections[connection].send(f"{RS}{then}{RS}{message}")
        service.until(message, lambda: message in service.seen("message"))
        service.until("a question for the state", lambda: len(questions) > connection)
        questions[connection].fulfill(body=state)
        service.until("all of it", lambda: message in service.page.evaluate("shown"))

    come(0, "a-1", "a-2", "state", "message")
    service.connections[0].close(code=1012)
    service.await_events("lost")
    service.pass_time(2)
    come(1, "!b-7", "b-8", "another state", "another message")
    shown = service.page.evaluate("shown")
    assert shown == ["state", "message", "another state", "another message"]
    assert service.connections[1].url.endswith("?after=a-2")


def test_a_handler_that_raises_does_not_stop_it(service: Service) -> None:
    service.start(resume=True)
    for name in ("gap", "message"):
        service.page.evaluate(
            "name => socket.addEventListener(name, () => { throw new Error(name) })", name
        )
    service.await_events("open")
    service.connections[0].send(f"{RS}!a-1")
    service.connections[0].send(f"{RS}a-2{RS}text")
    assert service.await_events("message") == ["text"]
    service.connections[0].close(code=1012)
    service.await_events("lost")
    service.pass_time(2)
    service.await_events("open", 2)
    assert service.connections[1].url.endswith("?after=a-2")


def test_a_handler_of_a_gap_may_close_it(service: Service) -> None:
    service.start(resume=True)
    service.page.evaluate("socket.addEventListener('gap', () => socket.close())")
    service.await_events("open")
    service.connections[0].send(f"{RS}!a-1")
    service.await_events("end")
    service.pass_time(120)
    assert len(service.connections) == 1


def test_why_it_was_refused_is_asked_with_the_same_position(browser: Browser) -> None:
    with answering(404) as there, browser.new_page() as page:
        service = started(page, there, there, resume=True)
        service.await_events("end")
        assert service.requests[-1] == there.url("/ws/?after=")


def started(page: Page, here: Answering, there: Answering, **options: Any) -> Service:
    """A page of one server with a socket to another, without waiting long between its tries."""
    service = Service(page, played=False)
    service.open(here.url("/"))
    service.start(there.url("/ws/"), longest=20, **options)
    return service


def forbid(page: Page, but: str) -> None:
    """Let the page's policy forbid all connections but these."""
    page.evaluate(
        """content => document.head.append(Object.assign(document.createElement("meta"), {
            httpEquiv: "Content-Security-Policy", content
        }))""",
        f"connect-src {but}",
    )


@contextmanager
def resuming(browser: Browser) -> Iterator[tuple[Service, Channel]]:
    """A page with a socket to a channel that it resumes, and the channel."""
    channel = Channel()
    with (
        websocket_server(channel.serve) as url,
        answering(200) as here,
        browser.new_page() as page,
    ):
        service = Service(page, played=False)
        service.open(here.url("/"))
        service.start(url, longest=20, resume=True)
        yield service, channel


@contextmanager
def websocket_server(handler: Callable[[ServerConnection], None]) -> Iterator[str]:
    """Run a server whose connections the handler holds until the block ends; give its URL."""
    with serve(handler, "localhost", 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://localhost:{server.socket.getsockname()[1]}/"


def listeners(page: Page) -> list[str]:
    """The names of the events that the page's window and document listen to."""
    session, names = page.context.new_cdp_session(page), list[str]()
    for target in ("window", "document"):
        found = session.send("Runtime.evaluate", {"expression": target})
        ask = {"objectId": found["result"]["objectId"]}
        answer = session.send("DOMDebugger.getEventListeners", ask)
        names += [listener["type"] for listener in answer["listeners"]]
    return sorted(names)
