"""The page in real browsers, served by each ASGI server."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, Error, Page, Route, WebSocketRoute, expect

from tests.browser import answering, problems, until
from tests.engines import ENGINES, Window
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.serving import WITH_EXTRA_ROUTES, Running, log_in, runserver, wait_for

PRIVATE = WITH_EXTRA_ROUTES | {"DJANGO_SETTINGS_MODULE": "extra_page_settings"}
# A handshake that fails; what `fetch` then says of its URL is the test's.
ASTRAY = """
window.WebSocket = class extends WebSocket {
  constructor(url) { super(`${url}`.replace(/ws[/]$/, "astray/")) }
}
"""
WATCH_CSP = """
window.violations = []
addEventListener("securitypolicyviolation", event => violations.push(event.violatedDirective))
"""

Engines = dict[str, Callable[[], Window]]
STATES = ("ping-state", "room-state")
PONG = r"^pong! after \d+\.\d ms$"
PRESS = "document.getElementById('ping').click()"
LOG_IN = """(form => {
  form.username.value = "ada"
  form.password.value = "lovelace"
  form.requestSubmit()
})(document.querySelector("main form"))"""
COUNT_QUESTIONS = """(ask => {
  window.asked = 0
  window.fetch = (...question) => (asked++, ask(...question))
})(fetch)"""


@dataclass
class Service:
    """A rendered service with a database of its own."""

    server: str
    installed: Installed
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, variables: dict[str, str] | None = None, port: int | None = None) -> Any:
        """Run it as in development, without reload."""
        chosen = self.variables | (variables or {})
        return runserver(self.installed, self.folder / "log", "--noreload", port=port, **chosen)


@pytest.fixture(scope="module", params=[parameter(server, "pytest") for server in SERVERS])
def service(
    request: pytest.FixtureRequest,
    installed: Callable[[str, str], Installed],
    tmp_path_factory: pytest.TempPathFactory,
) -> Service:
    """A service for the tests of this file."""
    folder = tmp_path_factory.mktemp(request.param[0])
    variables = {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "DEBUG": "true"}
    service = Service(request.param[0], installed(*request.param), folder, variables)
    service.installed.run("manage.py", "migrate", "--verbosity", "0", **variables)
    user = variables | {"DJANGO_SUPERUSER_PASSWORD": "lovelace"}
    options = ["--noinput", "--username", "ada", "--email", "ada@example.com"]
    service.installed.run("manage.py", "createsuperuser", *options, **user)
    return service


@pytest.fixture(scope="module")
def server(service: Service) -> Iterator[Running]:
    with service.run() as server:
        yield server


@pytest.fixture(scope="module")
def private(service: Service) -> Iterator[Running]:
    """The same with its room behind a login."""
    with service.run(PRIVATE) as server:
        yield server


@pytest.fixture(scope="module")
def session(service: Service) -> str:
    """The key of a session that no test ends."""
    return log_in(service.installed, "grace", **service.variables)


@pytest.fixture
def engines(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """What opens a window in each engine that is there."""
    with ExitStack() as stack:
        windows: Engines = {"Chromium": stack.enter_context(browser.new_context()).new_page}
        for name in ("Firefox", "WebKit"):
            with suppress(pytest.skip.Exception):  # as test_engines.py tells
                windows[name] = stack.enter_context(ENGINES[name](tmp_path_factory.mktemp(name)))
        yield windows


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as context:
        context.set_default_timeout(30_000)
        yield context


def connected(context: BrowserContext, server: Running) -> Page:
    """The page with both of its sockets connected."""
    page = context.new_page()
    page.goto(f"http://{server.address}/")
    await_connections(page)
    return page


def await_connections(page: Page, seconds: float = 30) -> None:
    """Wait until the page says that both are there."""
    for state in STATES:
        expect(page.locator(f"#{state}")).to_have_text("Connected", timeout=seconds * 1000)


def text(window: Window, name: str) -> str:
    """What the element says."""
    with suppress(Error):  # as between two pages
        return str(window.evaluate(f"document.getElementById('{name}')?.textContent"))
    return ""


def await_text(window: Window, name: str, words: str, seconds: float = 30) -> None:
    """Wait until the element says this, a regular expression."""
    wait_for(
        f"{words!r} in {name} of a {type(window).__name__}",
        lambda: bool(re.search(words, text(window, name))),
        seconds,
        lambda: repr(text(window, name)),
    )


def await_connected(window: Window, seconds: float = 30) -> None:
    """Wait until the page says that both of its sockets are there."""
    for state in STATES:
        await_text(window, state, "^Connected$", seconds)


def say(window: Window, words: str) -> None:
    """Say it in the room."""
    window.evaluate(f"document.getElementById('text').value = '{words}'")
    window.evaluate("document.getElementById('say').requestSubmit()")


def requests(page: Page) -> list[str]:
    """The paths, in a list that grows, of the page's handshakes and of its other requests."""
    paths: list[str] = []
    page.on("websocket", lambda socket: paths.append(urlsplit(socket.url).path))
    page.on("request", lambda request: paths.append(urlsplit(request.url).path))
    return paths


def edited(route: Route, before: str, after: str) -> None:
    """Answer with the service's own text but for this."""
    answer = route.fetch()
    assert before in answer.text()
    route.fulfill(response=answer, body=answer.text().replace(before, after))


def test_in_each_engine_it_logs_in_talks_and_is_back_with_what_was_said_at_once_after_an_outage(
    service: Service, engines: Engines
) -> None:
    windows: dict[str, list[Window]] = {}
    with service.run(PRIVATE) as server:
        url = f"http://{server.address}/"
        for name, new in engines.items():
            one, other = windows[name] = [new(), new()]
            one.goto(url)
            await_text(one, "room-state", "This needs a login.")
            one.goto(f"{url}login/?next=/")
            one.evaluate(LOG_IN)
            await_connected(one)
            other.goto(url)
            await_connected(other)
        for name, (one, _) in windows.items():
            one.evaluate(PRESS)
            await_text(one, "answer", PONG)
            say(one, f"<b>&{name}")
            assert one.evaluate("document.styleSheets[0].cssRules.length")
        for name, window in product(engines, chain(*windows.values())):
            await_text(window, "messages", rf"guest \d+: <b>&{name}")
        for window in chain(*windows.values()):
            window.evaluate(COUNT_QUESTIONS)
    for name, (one, other) in windows.items():
        await_text(one, "ping-state", "There is no connection to the service. Trying again.")
        one.evaluate(PRESS)
        await_text(one, "answer", "…")
        say(one, f"meanwhile {name}")
        await_text(one, "messages", rf"Waits for the connection: guest \d+: meanwhile {name}")
        for window in (one, other):  # of Firefox each would be a WebSocket that makes the next late
            wait_for("15 questions", partial(window.evaluate, "asked > 15"))
    with service.run(PRIVATE, port=int(server.address.split(":")[1])):
        back = time.monotonic()
        for window in chain(*windows.values()):
            await_connected(window, back + 15 - time.monotonic())
        for name, (one, other) in windows.items():
            await_text(one, "answer", PONG)
            await_text(one, "messages", rf"messages are gone\..*: meanwhile {name}")
            assert "Waits" not in text(one, "messages")
            other.evaluate("document.querySelector('#logout button').click()")
            # WebKit forgets the code where granian resets who answers a close in that moment, and
            # the page comes back as nobody's.
            forgets = (name, service.server) == ("WebKit", "granian")
            end = "You have been logged out."
            await_text(one, "room-state", f"{end}|This needs a login." if forgets else end)
            await_text(one, "ping-state", f"{end}|Connected" if forgets else end)


def test_a_ping_that_was_under_way_has_no_answer_and_an_end_says_what_to_do(
    server: Running, context: BrowserContext
) -> None:
    page, got = context.new_page(), list[str | bytes]()
    connections: list[WebSocketRoute] = []

    def connected(connection: WebSocketRoute) -> None:
        connections.append(connection)
        connection.on_message(lambda message: got.append(message))  # and no answer

    page.route_web_socket(server.url("/ws/"), connected)
    page.goto(f"http://{server.address}/")
    expect(page.locator("#ping-state")).to_have_text("Connected")
    page.get_by_role("button", name="Ping").click()
    until(page, "the ping", lambda: got == ["ping"])
    connections[0].close(code=1012)
    expect(page.locator("#answer")).to_have_text("no answer")
    expect(page.locator("#ping-state")).to_have_text("Connected")
    connections[1].close(code=1008, reason="enough")
    words = "Closed: 1008 enough. Reload the page to try again."
    expect(page.locator("#ping-state")).to_have_text(words)
    page.get_by_role("button", name="Ping").click()
    expect(page.locator("#answer")).to_have_text("not sent")


def test_an_answer_within_one_tick_of_the_clock_has_its_time(
    server: Running, context: BrowserContext
) -> None:
    page = context.new_page()
    page.add_init_script("performance.now = () => 1")  # Firefox's and WebKit's tick is 1 ms
    page.goto(f"http://{server.address}/")
    page.get_by_role("button", name="Ping").click()
    expect(page.locator("#answer")).to_have_text("pong! after 0.0 ms")


def test_messages_that_are_gone_are_said_where_they_were(
    server: Running, context: BrowserContext
) -> None:
    page, connections = context.new_page(), list[WebSocketRoute]()
    page.route_web_socket(re.compile(r"/ws/rooms/lobby/\?"), lambda one: connections.append(one))
    page.goto(f"http://{server.address}/")
    expect(page.locator("#room-state")).to_have_text("Connected")
    connections[0].send("\x1ea-1")
    connections[0].send("\x1ea-2\x1eone")
    expect(page.get_by_role("log")).to_have_text("one")
    connections[0].close(code=1012)
    until(page, "its return", lambda: len(connections) == 2)
    connections[1].send("\x1e!b-8")
    connections[1].send("\x1eb-9\x1etwo")
    lines = page.get_by_role("log").locator("p")
    expect(lines).to_have_text(["one", "Some messages are gone.", "two"])
    asked = [connection.url for connection in connections]
    assert asked == [server.url(f"/ws/rooms/lobby/?after={after}") for after in ("", "a-2")]


def test_a_full_service_is_said_and_tried_again(service: Service, context: BrowserContext) -> None:
    with service.run({"MAX_CONNECTIONS": "3"}) as server:
        first, second = connected(context, server), context.new_page()
        second.goto(f"http://{server.address}/")
        words = "The service is full, or does not run yet (503). Trying again."
        expect(second.locator("#ping-state")).to_have_text(words)
        first.close()
        await_connections(second)


def test_a_proxy_that_does_not_reach_the_service_is_said_and_tried_again(
    server: Running, context: BrowserContext
) -> None:
    page = context.new_page()
    page.add_init_script(ASTRAY)
    said = {502: "The service does not run yet (502)", 504: "does not answer its proxy (504)"}
    for status, words in said.items():
        page.route("**/astray/", lambda route, _, status=status: route.fulfill(status=status))
        page.goto(f"http://{server.address}/")
        expect(page.locator("#ping-state")).to_contain_text(f"{words}. Trying again.")


def test_who_is_not_logged_in_sees_why_does_not_loop_and_comes_back_after_the_login(
    private: Running, context: BrowserContext
) -> None:
    context.add_init_script(WATCH_CSP)
    page = context.new_page()
    asked = requests(page)
    url = f"http://{private.address}/"
    page.goto(url)
    expect(page.locator("#room-state")).to_have_text("This needs a login.")
    page.wait_for_timeout(1500)  # three times the longest wait between two tries
    assert asked.count("/ws/rooms/lobby/") == 3  # the handshake, its status, where that leads
    page.get_by_role("link", name="Log in").click()
    expect(page).to_have_url(f"{url}login/?next=/")
    assert page.evaluate("violations") == []
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("lovelace")
    page.get_by_role("button", name="Log in").click()
    await_connections(page)
    expect(page).to_have_url(url)
    expect(page.locator("#logout")).to_contain_text("Logged in as ada.")
    expect(page.get_by_role("link", name="Log in")).to_be_hidden()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("ws", "The service redirects this to {url}ws/. Reload the page to try again."),
        ("ws/sso/", "This needs a login."),  # of another origin: the browser tells no more
    ],
)
def test_a_redirect_is_a_login_only_if_it_may_lead_to_one(
    private: Running, session: str, context: BrowserContext, path: str, words: str
) -> None:
    url = f"http://{private.address}/"
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page = context.new_page()
    page.route("**/index.js", lambda route: edited(route, 'open("ws/"', f'open("{path}"'))
    page.goto(url)
    expect(page.locator("#ping-state")).to_have_text(words.format(url=url))
    expect(page.locator("#room-state")).to_have_text("Connected")
    expect(page.locator("#login")).to_be_visible(visible="login" in words)


def test_a_service_on_this_machine_comes_back_to_a_device_that_is_offline(
    service: Service, context: BrowserContext
) -> None:
    offline = "Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })"
    context.add_init_script(offline)
    with service.run() as server:
        page = connected(context, server)
    words = "This device is offline. Trying again."
    expect(page.locator("#ping-state")).to_have_text(words)
    with service.run(port=int(server.address.split(":")[1])):
        await_connections(page)


def test_a_logout_in_another_tab_is_said_and_final(
    server: Running, service: Service, context: BrowserContext
) -> None:
    session = log_in(service.installed, "grace", **service.variables)
    url = f"http://{server.address}/"
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page, other = connected(context, server), connected(context, server)
    asked = requests(page)
    other.get_by_role("button", name="Log out").click()
    for state in STATES:
        expect(page.locator(f"#{state}")).to_have_text("You have been logged out.")
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    await_connections(other)  # which is nobody's now
    expect(other.locator("main")).to_contain_text("Nobody is logged in here.")
    page.wait_for_timeout(1500)
    assert asked == []


def test_a_page_of_another_origin_is_refused_and_does_not_loop(
    server: Running, context: BrowserContext
) -> None:
    with answering(200) as foreign:
        page = context.new_page()
        page.goto(foreign.url("/"))
        asked = requests(page)
        loss = page.evaluate(
            """url => new Promise(resolve => {
                const socket = new ReconnectingWebSocket(url)
                socket.addEventListener("end", event => resolve(event.detail))
            })""",
            server.url("/ws/"),
        )
    assert loss == {"code": 1006, "reason": "", "status": 403}
    assert asked.count("/ws/") == 2


def test_the_keyboard_is_enough(server: Running, context: BrowserContext) -> None:
    page = connected(context, server)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Log in")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#answer")).to_contain_text("pong!")
    page.keyboard.press("Tab")
    expect(page.get_by_role("log")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("by hand")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("by hand")
    expect(page.get_by_label("Message from")).to_be_empty()


def test_axe_finds_nothing_connected_refused_away_or_at_the_login_light_or_dark(
    service: Service, browser: Browser
) -> None:
    schemes: list[Any] = ["light", "dark"]
    with ExitStack() as stack:
        pages = [
            stack.enter_context(browser.new_context(color_scheme=scheme)).new_page()
            for scheme in schemes
        ]
        with service.run(PRIVATE) as server:
            for page in pages:
                page.goto(f"http://{server.address}/login/")
                assert Axe().run(page).response["violations"] == []
                page.goto(f"http://{server.address}/")
                expect(page.locator("#ping-state")).to_have_text("Connected")
                expect(page.locator("#room-state")).to_have_text("This needs a login.")
                assert Axe().run(page).response["violations"] == []
        for page in pages:
            expect(page.locator("#ping-state")).to_contain_text("Trying again")
            assert Axe().run(page).response["violations"] == []


def test_a_phone_shows_all_of_it(server: Running, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 320, "height": 640}) as context:
        page = connected(context, server)
        assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_the_page_of_who_is_logged_in_suits_a_strict_policy_axe_and_a_phone(
    private: Running, session: str, context: BrowserContext
) -> None:
    context.add_init_script(WATCH_CSP)
    url = f"http://{private.address}/"
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page = context.new_page()
    said = problems(page)
    page.goto(url)
    await_connections(page)
    page.get_by_role("button", name="Ping").click()
    expect(page.locator("#answer")).to_contain_text("pong!")
    page.get_by_label("Message from").fill("hello")
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("hello")
    assert page.evaluate("violations") == [] and said == []
    assert Axe().run(page).response["violations"] == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_its_own_policy_suits_the_admin(server: Running, context: BrowserContext) -> None:
    context.add_init_script(WATCH_CSP)
    page = context.new_page()
    page.goto(f"http://{server.address}/admin/")
    expect(page.get_by_label("Username")).to_be_visible()
    assert page.evaluate("violations") == []
