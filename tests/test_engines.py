"""The client of the page, `realtime/static/realtime/socket.js`, in each engine."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from tests.browser import answering
from tests.engines import ENGINES, Window
from tests.serving import wait_for
from tests.test_socket import BINARY, MESSAGES, Channel, websocket_server

CODES = [1000, 1001, 1005, 1008, 1011, 1012, 1013, 1014, 3000, 4401]
CODES += [1006]  # after which Firefox makes the next ones late
FINAL = {200: 404, 302: 302, 401: 401, 403: 403, 404: 404}
pytestmark = pytest.mark.xdist_group("engines")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of each."""
    return str(request.param)


@pytest.fixture(scope="module")
def window(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """A window of the engine."""
    with ENGINES[engine](tmp_path_factory.mktemp(engine)) as new:
        yield new()


def test_it_comes_back_after_a_close_that_is_not_final(engine: str, window: Window) -> None:
    def close(connection: ServerConnection) -> None:
        assert connection.request
        code = int(connection.request.path[1:])
        connection.ping().wait(5)  # the browser knows that it was accepted
        if code == 1006:
            return connection.socket.shutdown(socket.SHUT_RDWR)
        with connection.send_context():
            connection.protocol.send_close(None if code == 1005 else code)

    hidden = {1012, 1013, 1014} if engine == "WebKit" else set()
    with websocket_server(close) as url, answering(200) as here:
        load(window, here.url("/"))
        for code in CODES:
            start(window, f"{url}{code}")
            name = "end" if code in {1000, 1008, 4401} else "lost"
            assert await_event(window, name)["code"] == (1006 if code in hidden else code)
            if name == "lost":
                await_event(window, "open", 2)
            assert len(seen(window, "end")) == (name == "end")


def test_a_refusal_for_good_ends_it_and_any_other_does_not(window: Window) -> None:
    for status in (*FINAL, 426, 503):
        with answering(status) as there:
            load(window, there.url("/"))
            start(window, "/ws/")
            if status in FINAL:
                loss = await_event(window, "end")
                assert loss["status"] == FINAL[status] and seen(window, "lost") == []
                assert loss.get("location") == (there.url("/") if status == 302 else None)
            else:
                assert await_event(window, "lost", 3)["status"] == status
                asked = ["WebSocket", "HTTP", "HTTP" if status == 503 else "WebSocket", "HTTP"]
                assert there.asked[:4] == asked and seen(window, "end") == []


def test_a_refusal_to_a_page_of_another_origin_ends_it_as_403(window: Window) -> None:
    with answering(503) as there, answering(200) as here:
        load(window, here.url("/"))
        start(window, there.url("/ws/"))
        assert await_event(window, "end")["status"] == 403
        assert there.asked == ["WebSocket", "HTTP"]


def test_after_each_cut_it_gets_what_it_missed_once_and_in_order(window: Window) -> None:
    channel, had = Channel(), [""]
    with websocket_server(channel.serve) as url, answering(200) as here:
        load(window, here.url("/"))
        start(window, url, "true")
        for _ in range(4):
            wait_for("its return", lambda: channel.connection is not None)
            channel.publish(*MESSAGES, *BINARY)
            await_event(window, "message", len(channel.published))
            had.append(f"epoch-{len(channel.published)}")
            with channel.lock:
                channel.cut()
                channel.publish(*MESSAGES, *BINARY)
        await_event(window, "message", len(channel.published))
        sent = [each if isinstance(each, str) else [*each] for each in channel.published]
        assert seen(window, "message") == sent
        assert channel.asked == had and seen(window, "gap") == []


def load(window: Window, url: str) -> None:
    """Open the page, and wait for its script."""
    window.goto(url)
    wait_for("the page's script", lambda: window.evaluate("!!window.start"))


def start(window: Window, url: str, resume: str = "false") -> None:
    """Make the page's next socket, which does not wait long between its tries."""
    window.evaluate("window.socket?.close(), seen.splice(0)")
    window.evaluate(f"start('{url}', {{ longest: 20, resume: {resume} }}), 0")


def seen(window: Window, name: str) -> list[Any]:
    """The details of the events of this name."""
    return [detail for event, detail in window.evaluate("seen") if event == name]


def await_event(window: Window, name: str, number: int = 1) -> Any:
    """The detail of the last of them, when there are so many."""
    wait_for(f"{number} times {name!r}", lambda: len(seen(window, name)) >= number)
    return seen(window, name)[-1]
