"""Debian's Chromium, and a page beside the rendered one that uses its client."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.installing import missing
from tests.rendering import FOLDER, TEMPLATE

MODULE = TEMPLATE / FOLDER / "realtime/static/realtime/socket.js"
START = """
import { ReconnectingWebSocket } from "./socket.js"
window.ReconnectingWebSocket = ReconnectingWebSocket
window.seen = []
window.start = (url, options) => watch(window.socket = new ReconnectingWebSocket(url, options))
window.watch = socket => {
  const tell = (...what) => seen.push(what)
  for (const name of ["open", "gap", "lost", "end", "drop"])
    socket.addEventListener(name, ({ detail }) => tell(name, detail))
  socket.addEventListener("message", ({ data }) =>
    tell("message", data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data))
}
"""
PAGE = "<!doctype html><link rel=icon href=data:,><script type=module src=start.js></script>"
TEXTS = {"/": PAGE, "/start.js": START, "/socket.js": MODULE.read_text("utf-8")}


def chromium_program() -> str:
    """The path of Chromium."""
    return shutil.which("chromium") or shutil.which("google-chrome") or missing("no chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium until the block ends, in which no other event loop can run."""
    program = chromium_program()
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)
        # Without its sandbox, which a container's root cannot have.
        with playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]) as browser:
            yield browser


def until(page: Page, awaited: str, happened: Callable[[], bool], seconds: int = 30) -> None:
    """Wait for it, and let Playwright handle what comes from the page meanwhile."""
    for _ in range(seconds * 200):
        if happened():
            return
        page.wait_for_timeout(5)
    raise TimeoutError(f"{awaited}: not within {seconds} s")


def problems(page: Page) -> list[str]:
    """What the console says of errors, in a list that grows."""
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


class Answering(ThreadingHTTPServer):
    """A server of the page that answers everything else with the status, handshakes too."""

    def __init__(self, status: int, port: int = 0) -> None:
        super().__init__(("localhost", port), Handler)
        self.status = status
        self.location = "/"  # of a redirect
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        return f"http://localhost:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers a request to it."""

    server: Answering

    def do_GET(self) -> None:
        text = TEXTS.get(self.path, "").encode()
        if not text:
            self.server.asked.append("WebSocket" if "Upgrade" in self.headers else "HTTP")
        self.send_response(200 if text else self.server.status)
        self.send_header("Content-Type", "text/javascript" if "js" in self.path else "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def answering(status: int, port: int = 0) -> Iterator[Answering]:
    """Run such a server until the block ends."""
    with Answering(status, port) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
