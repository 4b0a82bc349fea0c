"""Redis and PostgreSQL for the tests that need them."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.installing import missing, program
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
