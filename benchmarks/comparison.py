"""The rendered service beside what a user would pick instead, on uvicorn.

    python -m benchmarks.comparison [ROUNDS] [SECONDS]

Renders a project and installs the peers beside it; starts each, with uvicorn on one core, and puts
loads from another core on all of them in turn: "ping" to "pong!" on 64 connections, and 32 at once
that connect, ping and close, anonymous and with a session whose user is read. Rates are per second
of the server's processor time. Prints Markdown tables of the medians. Linux only.
"""

import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.servers import SETTINGS, installed, load, serving
from tests.installing import environment
from tests.serving import LOGIN

PACKAGES = ("starlette", "channels", "django-socket")
BARE, SERVICE = "bare ASGI", "this service"
PEERS: dict[str, tuple[str, dict[str, str]]] = {
    BARE: ("benchmarks.bare:application", {}),
    "the article": ("benchmarks.peers.article:application", {}),
    "Starlette": ("benchmarks.peers.starlette:application", {}),
    "Channels": ("benchmarks.peers.channels:application", {"PEER": "channels"}),
    "django-socket": ("benchmarks.peers.django_socket:application", {"PEER": "django_socket"}),
    SERVICE: (
        "config.asgi:application",
        {"DJANGO_SETTINGS_MODULE": "benchmarks.probe.settings"},
    ),
}
WITH_USERS = ("Channels", "django-socket", SERVICE)
Measured = dict[str, list[dict[str, float]]]


def session(project: Path) -> str:
    """The cookie of a user who is logged in, in a new database."""
    python, variables = f"{project}/.venv/bin/python", environment(**SETTINGS)
    options: dict[str, Any] = {"cwd": project, "env": variables, "text": True}
    subprocess.check_output([python, "manage.py", "migrate"], **options)
    shell = [python, "manage.py", "shell", "--no-imports", "-c", LOGIN.format(name="ada")]
    return f"sessionid={subprocess.check_output(shell, **options).split('session:')[1].strip()}"


def table(title: str, measured: Measured, *, times: bool = False) -> None:
    """Print the medians: the rate, its ratio to the bare application's and to Channels'."""
    rates = {
        name: statistics.median(one["rate"] for one in runs) for name, runs in measured.items()
    }
    busy = max(one["busy"] for runs in measured.values() for one in runs)
    head = [title, "per second", "to bare", "to Channels", "p50, ms", "p99, ms"]
    head = head if times else head[:4]
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name, rate in rates.items():
        bare = f"{rate / rates[BARE]:.2f}" if BARE in rates else ""
        row = [name, f"{rate:,.0f}", bare, f"{rate / rates['Channels']:.2f}"]
        if times:
            row += [
                f"{statistics.median(one[p] for one in measured[name]):.1f}" for p in ("p50", "p99")
            ]
        print(f"| {' | '.join(row)} |")
    print(f"\nThe client was busy for at most {busy:.0%} of the time.")


def main(rounds: str = "5", seconds: str = "3") -> None:
    """Measure and print."""
    messages: Measured = {name: [] for name in PEERS}
    anonymous: Measured = {name: [] for name in PEERS}
    private: Measured = {name: [] for name in WITH_USERS}
    with installed("uvicorn", *PACKAGES) as project, ExitStack() as servers:
        cookie = session(project)
        running = {}
        for name, (application, variables) in PEERS.items():
            if "PEER" in variables:
                variables = variables | {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings"}
            server = serving(project, "uvicorn", application, **variables)
            running[name] = servers.enter_context(server)
        for _ in range(int(rounds)):
            for name, where in running.items():
                messages[name].append(load(project, *where, "messages", "64", seconds))
                anonymous[name].append(load(project, *where, "connections", "32", seconds))
            for name in WITH_USERS:
                details = ("32", seconds, "/private/", cookie)
                private[name].append(load(project, *running[name], "connections", *details))
        freeze = ["uv", "pip", "freeze"]
        options: dict[str, Any] = {"cwd": project, "env": environment(), "text": True}
        versions = subprocess.check_output(freeze, **options).split()
    table("messages", messages, times=True)
    table("connections, anonymous", anonymous)
    table("connections, with a session", private)
    shown = ("django", "uvicorn", "uvloop", "websockets", *PACKAGES)
    told = [package for package in versions if package.split("==")[0] in shown]
    print(f"\n{date.today()}, {os.cpu_count()} cores, {', '.join(told)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
