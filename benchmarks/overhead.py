"""What the rendered service costs over a bare ASGI application on the same server.

    python -m benchmarks.overhead [uvicorn|granian|hypercorn|daphne] [ROUNDS]

Renders a project, installs it, starts both on one core, and puts seconds of load from another
core on each of them in turn. Rates are per second of processor time of the server, which is what
an undisturbed core does in a second. Prints a Markdown table: medians, and the quartiles of the
ratio of the two in each round. Linux only.
"""

import functools
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.installing import environment
from tests.rendering import TEMPLATE, render
from tests.serving import free_port, production_command, started

# Clients and seconds; the handshakes of the 64 are to be a small part of what they do.
LOADS = {"messages": ("64", "4"), "connections": ("32", "1")}
APPLICATIONS = {"bare": "benchmarks.bare:application", "service": "config.asgi:application"}
SETTINGS = {"DEBUG": "false", "SECRET_KEY": "for this measurement", "ALLOWED_HOSTS": "127.0.0.1"}


def on_core(core: int) -> functools.partial[None]:
    """Return a function that keeps the process that calls it on this core."""
    return functools.partial(os.sched_setaffinity, 0, {core})


@contextmanager
def serving(project: Path, server: str, application: str) -> Iterator[tuple[int, int]]:
    """Run the application as production does; yield the port and the session of its processes."""
    port = free_port()
    command = production_command(project, server, port)
    command = [part.replace("config.asgi:application", application) for part in command]
    variables = environment(PYTHONPATH=f"{project}:{TEMPLATE}", **SETTINGS)
    log = project / f"{port}.log"
    options = {"cwd": project, "env": variables, "preexec_fn": on_core(0)}
    with started(command, port, log, **options) as process:
        yield port, process.pid


def processor_time(session: int) -> float:
    """Seconds that the processes of a session have run, by proc(5)."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = path.read_text().rpartition(")")[2].split()
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def rate(project: Path, port: int, session: int, load: str) -> float:
    """Put a load on the port; return what was done per second of processor time."""
    client = f"{project}/.venv/bin/python {TEMPLATE}/benchmarks/client.py 127.0.0.1 {port} {load}"
    command = [*client.split(), *LOADS[load]]
    before = processor_time(session)
    done = int(subprocess.check_output(command, timeout=60, preexec_fn=on_core(1)))
    return done / (processor_time(session) - before)


def main(server: str = "uvicorn", rounds: str = "8") -> None:
    """Measure and print."""
    rates: dict[str, dict[str, list[float]]] = {load: {"bare": [], "service": []} for load in LOADS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        project = render(Path(folder), asgi_server=server)
        subprocess.run(["uv", "sync", "--quiet"], cwd=project, env=environment(), check=True)
        running = {
            name: servers.enter_context(serving(project, server, application))
            for name, application in APPLICATIONS.items()
        }
        for load, name in itertools.product(list(LOADS) * int(rounds), APPLICATIONS):
            rates[load][name].append(rate(project, *running[name], load))
    print(f"| {server}, per second | bare | service | ratio | quartiles |")
    print("|---|---|---|---|---|")
    for load, measured in rates.items():
        bare, service = (statistics.median(measured[name]) for name in APPLICATIONS)
        pairs = zip(measured["service"], measured["bare"], strict=True)
        low, ratio, high = statistics.quantiles(ours / theirs for ours, theirs in pairs)
        print(f"| {load} | {bare:,.0f} | {service:,.0f} | {ratio:.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
