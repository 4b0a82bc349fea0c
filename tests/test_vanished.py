"""Clients and a database that vanish without a close, in a network that is cut."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.installing import Installed, apart, environment
from tests.rendering import SERVERS
from tests.services import postgres
from tests.serving import WITH_EXTRA_ROUTES, production_command, wait_for

# The server is in a namespace of processes, too, which ends with its first.
PROCESSES = ("--pid", "--fork")
# Brings the network up, runs the server and a silent client, cuts the network, and waits until it
# is ended.
SCENE = """
import socket, subprocess, sys, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = subprocess.Popen(sys.argv[2:])
clients = []
for path in sys.argv[1].split():
    for _ in range(200):
        try:
            client = socket.create_connection(("127.0.0.1", 8000), timeout=30)
            break
        except OSError:
            time.sleep(0.1)
    client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1:8000\\r\\nUpgrade: websocket\\r\\n"
                   "Connection: Upgrade\\r\\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\\r\\n"
                   "Sec-WebSocket-Version: 13\\r\\n\\r\\n".encode())
    assert b" 101 " in client.recv(1000)
    clients.append(client)
subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
print("the network is cut", flush=True)
server.wait()
"""
# Asks PostgreSQL by a way through that network, and cuts it while a query is under way. The sockets
# at the far end of the way are the test's own, and outside of that network.
ASK = """
import json, socket, subprocess, sys, time
from threading import Thread, Timer
def lo(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)
def pump(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
def forward(listener):
    for server in sys.argv[1:]:
        pair = listener.accept()[0], socket.socket(fileno=int(server))
        for each in (pair, pair[::-1]):
            Thread(target=pump, args=each, daemon=True).start()
lo("up")
Thread(target=forward, args=[socket.create_server(("127.0.0.1", 5432))], daemon=True).start()
import django
django.setup()
from django.db import Error, connection
def ask(query):
    begin, said = time.monotonic(), "answered"
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
    except Error:
        said = "raised"
    connection.close()
    return said, time.monotonic() - begin
answers = [ask("SELECT 1")]
Timer(0.5, lo, ["down"]).start()
answers += [ask("SELECT pg_sleep(30)"), ask("SELECT 1")]
lo("up")
answers += [ask("SELECT 1")]
print(json.dumps(answers), flush=True)
"""


def says(log: Path, text: str) -> bool:
    """Whether the text is in the log."""
    return text in log.read_text()


@pytest.mark.xdist_group("vanished")
def test_a_client_that_vanishes_is_found_within_a_minute_on_every_server(
    installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    logs = {name: tmp_path / name for name in SERVERS}
    with ExitStack() as ends:
        for name, log in logs.items():
            project = installed(name, "pytest").project
            command = production_command(project, name, 8000)
            process = subprocess.Popen(
                [
                    *apart(*PROCESSES),
                    "--kill-child",
                    sys.executable,
                    "-c",
                    SCENE,
                    "/quiet/",
                    *command,
                ],
                cwd=project,
                env=environment(**WITH_EXTRA_ROUTES),
                stdout=ends.enter_context(log.open("wb")),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            ends.callback(process.kill)
        for name, log in logs.items():
            wait_for(f"{name}'s cut", partial(says, log, "the network is cut"), 60)
        for name, log in logs.items():
            wait_for(f"{name}'s end", partial(says, log, "left /quiet/"), 60)


@pytest.mark.xdist_group("uvicorn-pytest")
def test_a_query_does_not_wait_for_a_database_that_has_vanished(
    installed: Callable[[str, str], Installed],
) -> None:
    project, url = installed("uvicorn", "pytest"), urlsplit(postgres())
    project.run("true")  # makes the environment
    address = url.hostname or "localhost", url.port or 5432
    here = url._replace(netloc=url.netloc.rsplit("@")[0] + "@127.0.0.1").geturl()
    with ExitStack() as ends:
        sockets = [ends.enter_context(socket.create_connection(address)) for _ in range(8)]
        done = subprocess.run(
            [
                *apart(*PROCESSES),
                project.program,
                "-c",
                ASK,
                *(str(each.fileno()) for each in sockets),
            ],
            cwd=project.project,
            env=environment(**WITH_EXTRA_ROUTES, DATABASE_URL=here, DEBUG="true"),
            pass_fds=[each.fileno() for each in sockets],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stdout
    answers = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[[")))
    assert [said for said, _ in answers] == ["answered", "raised", "raised", "answered"]
    assert all(seconds < most for (_, seconds), most in zip(answers, (5, 15, 8, 5), strict=True))
