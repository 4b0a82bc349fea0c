"""Clients that vanish without a close, in a network that is cut."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.installing import Installed, environment, missing
from tests.rendering import SERVERS
from tests.serving import WITH_EXTRA_ROUTES, production_command, wait_for

# The server is in a namespace of processes, too, which ends with its first.
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork"]
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
            client = socket.create_connection(("127.0.0.1", 8000), timeout=5)
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


def says(log: Path, text: str) -> bool:
    """Whether the text is in the log."""
    return text in log.read_text()


@pytest.mark.xdist_group("vanished")
def test_a_client_that_vanishes_is_found_within_a_minute_on_every_server(
    installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    if not shutil.which("ip") or subprocess.run([*UNSHARE, "true"], capture_output=True).returncode:
        missing("no network namespaces: they take `ip` and `unshare --user --net`")
    logs = {name: tmp_path / name for name in SERVERS}
    with ExitStack() as ends:
        for name, log in logs.items():
            project = installed(name, "pytest").project
            command = production_command(project, name, 8000)
            process = subprocess.Popen(
                [*UNSHARE, "--kill-child", sys.executable, "-c", SCENE, "/quiet/", *command],
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
