"""Redis, PostgreSQL and Sentry for the tests that need them."""

import gzip
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from tests.installing import Installed, missing, program
from tests.serving import free_port, kill, listens, wait_for

POSTGRES = os.environ.get(
    "TEST_DATABASE_URL", "postgres://postgres:postgres@127.0.0.1:5432/postgres"
)


@dataclass
class Redis:
    """A Redis of the test's own, that it may stop."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, with nothing in it, and wait until it listens."""
        command = ["redis-server", "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"]
        log = self.folder / "redis.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, start_new_session=True
            )
        self.process = process
        wait_for("redis-server", lambda: listens(process, self.port, log))

    def ask(self, *command: str) -> str:
        """Give it a command; return its answer."""
        program = ["redis-cli", "-p", str(self.port), *command]
        done = subprocess.run(program, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self.process:
            kill(self.process)
            self.process = None


def postgres() -> str:
    """The URL of a PostgreSQL that runs already."""
    where = urlsplit(POSTGRES)
    with socket.socket() as client:
        if client.connect_ex((where.hostname or "localhost", where.port or 5432)):
            missing(f"no PostgreSQL on {where.hostname}:{where.port}")
    return POSTGRES


@contextmanager
def own_redis(folder: Path) -> Iterator[Redis]:
    """A Redis that runs until the block ends."""
    program("redis-server")
    redis = Redis(folder, free_port())
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()


CREATE = """
from django.db import connection
connection.cursor().execute('{0} DATABASE {1} {2}')
"""


@contextmanager
def own_database(installed: Installed, name: str) -> Iterator[str]:
    """The URL of a database of the test's own, with tables, until the block ends."""
    server = postgres()

    def change(what: str, option: str = "") -> None:
        ask = CREATE.format(what, name, option)
        installed.run("manage.py", "shell", "--no-imports", "-c", ask, DATABASE_URL=server)

    url = f"{server.rsplit('/', 1)[0]}/{name}"
    change("CREATE")
    try:
        installed.run("manage.py", "migrate", "--verbosity", "0", DATABASE_URL=url)
        yield url
    finally:
        change("DROP", "WITH (FORCE)")


class Link:
    """A way to PostgreSQL, by a port of the test's own, that can be cut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = parts.hostname or "localhost", parts.port or 5432
        self.address = "127.0.0.1", free_port()
        at = f"{self.address[0]}:{self.address[1]}"
        self.url = url.replace(parts.netloc.rsplit("@")[-1], at)
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.listener: socket.socket | None = None

    def open(self) -> None:
        """Let clients through."""
        self.listener = socket.create_server(self.address)
        Thread(target=self._accept, args=[self.listener], daemon=True).start()

    def drop(self) -> None:
        """End the connections, as PostgreSQL does when it stops."""
        for pair in self.pairs:
            end(pair)
        self.pairs = []

    def cut(self) -> None:
        """End the connections and refuse others."""
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.drop()

    @contextmanager
    def hole(self) -> Iterator[None]:
        """Lose what clients send, until the block ends: the queue of a listener is full."""
        self.cut()
        with socket.create_server(self.address, backlog=0) as deaf, socket.socket() as filling:
            filling.connect(self.address)
            yield
            deaf.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # cut
            while True:
                pair = listener.accept()[0], socket.create_connection(self.target)
                self.pairs.append(pair)
                for source, sink in (pair, pair[::-1]):
                    Thread(target=pump, args=[source, sink], daemon=True).start()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, until one side ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    end((source, sink))


def end(pair: tuple[socket.socket, ...]) -> None:
    """End both connections."""
    for each in pair:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def link(url: str) -> Iterator[Link]:
    """A way to PostgreSQL that is open at first."""
    between = Link(url)
    between.open()
    try:
        yield between
    finally:
        between.cut()


@contextmanager
def own_sentry() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The DSN of a Sentry of the test's own, and the events that it gets until the block ends."""
    events: list[dict[str, Any]] = []

    class Sentry(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
            parts = [json.loads(line) for line in body.splitlines()]
            events.extend(part for part in parts if "level" in part)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *message: Any) -> None:
            """Say nothing of each request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Sentry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://key@127.0.0.1:{server.server_port}/1", events
        server.shutdown()
