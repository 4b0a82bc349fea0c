"""What the rendered service costs over a bare ASGI application on the same server.

    python -m benchmarks.overhead [uvicorn|granian|hypercorn|daphne] [ROUNDS]

Renders a project, installs it, starts both on one core, and puts seconds of load from another
core on each of them in turn. Rates are per second of processor time of the server, which is what
an undisturbed core does in a second. Prints a Markdown table: medians, and the quartiles of the
ratio of the two in each round. Linux only.
"""

import itertools
import statistics
import sys
from contextlib import ExitStack

from benchmarks.servers import installed, serving
from benchmarks.servers import load as put

# Clients and seconds; the handshakes of the 64 are to be a small part of what they do.
LOADS = {"messages": ("64", "4"), "connections": ("32", "1")}
APPLICATIONS = {"bare": "benchmarks.bare:application", "service": "config.asgi:application"}


def main(server: str = "uvicorn", rounds: str = "8") -> None:
    """Measure and print."""
    rates: dict[str, dict[str, list[float]]] = {load: {"bare": [], "service": []} for load in LOADS}
    with installed(server) as project, ExitStack() as servers:
        running = {
            name: servers.enter_context(serving(project, server, application))
            for name, application in APPLICATIONS.items()
        }
        for load, name in itertools.product(list(LOADS) * int(rounds), APPLICATIONS):
            done = put(project, *running[name], load, *LOADS[load])
            rates[load][name].append(done["rate"])
    print(f"| {server}, per second | bare | service | ratio | quartiles |")
    print("|---|---|---|---|---|")
    for load, measured in rates.items():
        bare, service = (statistics.median(measured[name]) for name in APPLICATIONS)
        pairs = zip(measured["service"], measured["bare"], strict=True)
        low, ratio, high = statistics.quantiles(ours / theirs for ours, theirs in pairs)
        print(f"| {load} | {bare:,.0f} | {service:,.0f} | {ratio:.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
