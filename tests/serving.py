"""Starts a rendered project's server by its production command."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tests.installing import Installed, environment
from tests.rendering import CONTEXT

LOGIN = """
from django.contrib.auth.models import Permission
from django.test import Client
from users.models import User
user, _ = User.objects.get_or_create(username="{name}", is_staff=True)
user.user_permissions.add(Permission.objects.get(codename="add_user"))
client = Client()
client.force_login(user)
print("session:", client.cookies["sessionid"].value)
"""
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}
EXTRA_ROUTES = Path(__file__).parent / "extra_routes"
# Below those that the kernel gives to clients, and others for each process of pytest-xdist: two
# servers that get the same may share it (SO_REUSEPORT), and each has clients of the other.
SPAN = 1_500
FIRST = 20_000 + SPAN * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8)
PORTS = cycle(FIRST + (os.getpid() * 37 + n) % SPAN for n in range(SPAN))
# The option for several, and what the log says of each that runs; daphne has none.
WORKERS = {
    "uvicorn": ("--workers", "Application startup complete"),
    "granian": ("--workers", "Started worker-"),
    "hypercorn": ("--workers", "Running on"),
}
WITH_EXTRA_ROUTES = {"PYTHONPATH": f"{EXTRA_ROUTES}:.", "DJANGO_SETTINGS_MODULE": "extra_settings"}


@dataclass
class Running:
    """A server that listens on `address` and writes to `log`; `session` is for tests' use."""

    name: str
    address: str
    log: Path
    process: subprocess.Popen[bytes]
    session: str = ""

    def url(self, path: str) -> str:
        """The WebSocket URL of a path."""
        return f"ws://{self.address}{path}"

    def stop(self, timeout: float = 10) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)


def free_port() -> int:
    """A port that nobody listens on."""
    for port in islice(PORTS, SPAN):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port is free")


def production_command(
    project: Path, asgi_server: str, port: int, application: str = "config.asgi:application"
) -> list[str]:
    """The production command of docs/production.md, on a port of this machine only."""
    command = CONTEXT["_servers"][asgi_server]["command"]
    command = command.replace("config.asgi:application", application)
    command = command.replace("0.0.0.0", "127.0.0.1").replace("${PORT:-8000}", str(port)).split()
    return [f"{project}/.venv/bin/{command[0]}", *command[1:]]


@contextmanager
def started(
    command: list[str], port: int, log: Path, seconds: float = 60, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, which begins when it listens on the port."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **options
        )
    try:
        wait_for(f"a server on port {port}", lambda: listens(process, port, log), seconds)
        yield process
    finally:
        kill(process)


@contextmanager
def serving(
    installed: Installed,
    asgi_server: str,
    log: Path,
    *options: str,
    application: str = "config.asgi:application",
    **variables: str,
) -> Iterator[Running]:
    """Run the server as in production, with extra_routes/ added, until the block ends."""
    port = free_port()
    command = [*production_command(installed.project, asgi_server, port, application), *options]
    variables = environment(**(WITH_EXTRA_ROUTES | variables))
    with started(command, port, log, cwd=installed.project, env=variables) as process:
        yield Running(asgi_server, f"127.0.0.1:{port}", log, process)


@contextmanager
def runserver(
    installed: Installed, log: Path, *options: str, port: int | None = None, **variables: str
) -> Iterator[Running]:
    """Run the development server, in a process group of its own as a terminal does."""
    port = port or free_port()
    command = [installed.program, "-u", "manage.py", "runserver", f"127.0.0.1:{port}", *options]
    variables = environment(**variables)
    with started(command, port, log, cwd=installed.project, env=variables) as process:
        yield Running("runserver", f"127.0.0.1:{port}", log, process)


def log_in(installed: Installed, name: str, **variables: str) -> str:
    """Make the user, who may add users, if need be; return the key of a new session."""
    printed = installed.run(
        *("manage.py", "shell", "--no-imports", "-c", LOGIN.format(name=name)), **variables
    )
    return printed.split("session:")[1].strip()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started, its workers among them."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def handshake(address: str, path: str, **headers: str) -> int:
    """Ask for a WebSocket and return the HTTP status of the answer."""
    client = HTTPConnection(address, timeout=30)
    client.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in (HANDSHAKE | headers).items():
        client.putheader(name, value)
    client.endheaders()
    with closing(client):
        return client.getresponse().status


def wait_for(
    awaited: str,
    happened: Callable[[], bool],
    seconds: float = 60,
    instead: Callable[[], object] | None = None,
) -> None:
    """Wait for something that nothing announces. Raises TimeoutError that names it, and `instead`,
    what there is.
    """
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            but = f", but {instead()}" if instead else ""
            raise TimeoutError(f"{awaited}: not within {seconds} s{but}")
        time.sleep(0.02)


def listens(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    """Whether the server accepts connections. Raises AssertionError, with its log, if it ended."""
    assert process.poll() is None, log.read_text()
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
