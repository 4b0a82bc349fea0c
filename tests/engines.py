"""The three engines of today's browsers, as Debian has them, and windows in each."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from urllib.request import Request, urlopen

from websockets.sync.client import connect

from tests.browser import chromium
from tests.installing import environment, missing, program
from tests.serving import free_port, started

Ask = Callable[..., Any]


class Window(Protocol):
    """What the tests need of a window, by the names that Playwright's pages have for it."""

    def goto(self, url: str) -> Any:
        """Open the page, and wait until it is loaded."""

    def evaluate(self, expression: str) -> Any:
        """The value that an expression of JavaScript has in the page."""


class FirefoxWindow:
    """A window of Firefox."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.context = ask("browsingContext.create", type="window")["context"]

    def goto(self, url: str) -> None:
        self.ask("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        asked = {"expression": f"JSON.stringify([{expression}])", "awaitPromise": False}
        answer = self.ask("script.evaluate", target={"context": self.context}, **asked)
        return json.loads(answer["result"]["value"])[0]


class WebKitWindow:
    """A window of WebKit. A hidden tab would paint no frame."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.handle = ask("/window/new", type="window")["handle"]

    def goto(self, url: str) -> None:
        self.ask("/window", handle=self.handle)
        self.ask("/url", url=url)

    def evaluate(self, expression: str) -> Any:
        self.ask("/window", handle=self.handle)
        return self.ask("/execute/sync", script=f"return {expression}", args=[])


@contextmanager
def chromium_windows(folder: Path) -> Iterator[Callable[[], Window]]:
    """Open windows of a Chromium, which share their cookies, until the block ends."""
    with chromium() as browser, browser.new_context() as context:
        yield context.new_page


@contextmanager
def firefox_windows(folder: Path) -> Iterator[Callable[[], Window]]:
    """The same of a Firefox, by WebDriver BiDi, which it speaks itself."""
    name = shutil.which("firefox-esr") or shutil.which("firefox") or missing("no firefox-esr")
    command = [name, "--headless", "--profile", str(folder)]
    port, numbers = free_port(), count()
    with (
        started([*command, f"--remote-debugging-port={port}"], port, folder / "log"),
        connect(f"ws://127.0.0.1:{port}/session", max_size=None) as client,
    ):

        def ask(method: str, **params: Any) -> Any:
            number = next(numbers)
            client.send(json.dumps({"id": number, "method": method, "params": params}))
            while (answer := json.loads(client.recv(timeout=30))).get("id") != number:
                pass  # an event
            assert answer["type"] == "success", answer
            return answer["result"]

        ask("session.new", capabilities={})
        yield lambda: FirefoxWindow(ask)


@contextmanager
def webkit_windows(folder: Path) -> Iterator[Callable[[], Window]]:
    """The same of WebKitGTK's small browser, by WebDriver, on a screen that nobody sees."""
    command, port = [program("WebKitWebDriver")], free_port()
    screen = [program("Xvfb"), "-displayfd", "1", "-nolisten", "tcp"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(screen, text=True, **pipes) as xvfb:
        assert xvfb.stdout
        variables = environment(DISPLAY=f":{xvfb.stdout.readline().strip()}")
        try:
            with started([*command, f"--port={port}"], port, folder / "log", env=variables):
                url = f"http://127.0.0.1:{port}/session"

                def ask(path: str, **body: Any) -> Any:
                    request = Request(url + path, json.dumps(body).encode())
                    with urlopen(request, timeout=30) as response:
                        return json.load(response)["value"]

                url += "/" + ask("", capabilities={})["sessionId"]
                yield lambda: WebKitWindow(ask)
        finally:
            xvfb.terminate()


ENGINES = {"Chromium": chromium_windows, "Firefox": firefox_windows, "WebKit": webkit_windows}
