"""Rendered services and bare applications, started on one core for a measurement. Linux only."""

import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.installing import environment
from tests.rendering import TEMPLATE, render
from tests.serving import free_port, production_command, started

SETTINGS = {"DEBUG": "false", "SECRET_KEY": "for this measurement", "ALLOWED_HOSTS": "127.0.0.1"}


@contextmanager
def installed(server: str, *more: str) -> Iterator[Path]:
    """A project for this server, with its environment and more packages, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        project = render(Path(folder), asgi_server=server)
        for command in (["sync"], ["pip", "install", *more] if more else ["sync"]):
            subprocess.run(["uv", *command, "--quiet"], cwd=project, env=environment(), check=True)
        yield project


def on_core(core: int) -> functools.partial[None]:
    """Return a function that keeps the process that calls it on this core."""
    return functools.partial(os.sched_setaffinity, 0, {core})


@contextmanager
def serving(
    project: Path, server: str, application: str, **variables: str
) -> Iterator[tuple[int, int]]:
    """Run the application as production does; yield the port and the session of its processes."""
    port = free_port()
    command = production_command(project, server, port)
    command = [part.replace("config.asgi:application", application) for part in command]
    if application != "config.asgi:application" and "--lifespan" in command:
        command[command.index("--lifespan") + 1] = "auto"  # not every other knows it
    variables = environment(PYTHONPATH=f"{project}:{TEMPLATE}", **(SETTINGS | variables))
    log = project / f"{port}.log"
    options: dict[str, Any] = {"cwd": project, "env": variables, "preexec_fn": on_core(0)}
    with started(command, port, log, **options) as process:
        yield port, process.pid


def load(project: Path, port: int, session: int, what: str, *details: str) -> dict[str, float]:
    """Put a load of `client.py` on the port from the other core; return what it prints.

    And `rate`, what was done per second of processor time of the server.
    """
    client = f"{project}/.venv/bin/python {TEMPLATE}/benchmarks/client.py 127.0.0.1 {port} {what}"
    command = [*client.split(), *details]
    before = processor_time(session)
    printed = subprocess.check_output(command, timeout=60, preexec_fn=on_core(1))
    result: dict[str, float] = json.loads(printed)
    return result | {"rate": result["done"] / (processor_time(session) - before)}


def processor_time(session: int) -> float:
    """Seconds that the processes of a session have run, by proc(5)."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = path.read_text().rpartition(")")[2].split()
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(session: int) -> int:
    """Bytes of memory that the processes of a session hold for themselves, by proc(5)."""
    total = 0
    for path in Path("/proc").glob("[0-9]*"):
        if int((path / "stat").read_text().rpartition(")")[2].split()[3]) == session:
            rollup = (path / "smaps_rollup").read_text().splitlines()
            total += sum(
                int(line.split()[1]) * 1024
                for line in rollup
                if line.startswith(("Private_Clean", "Private_Dirty"))
            )
    return total
