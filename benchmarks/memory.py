"""What an idle connection costs in memory, beside a bare ASGI application on the same server.

    python -m benchmarks.memory [uvicorn|granian|hypercorn|daphne] [CONNECTIONS] [ROUNDS]

Each round starts both applications anew, opens the connections, pings each once, and divides what
the server's memory grew by. Prints a Markdown table: medians, in KiB a connection. Linux only.
"""

import asyncio
import resource
import statistics
import sys

from benchmarks.connection import Client
from benchmarks.servers import installed, memory, serving

APPLICATIONS = {"bare": "benchmarks.bare:application", "service": "config.asgi:application"}


async def opened(port: int, number: int) -> list[Client]:
    """Connections that have been answered."""
    clients = []
    for _ in range(number):
        clients.append(await Client.connect("127.0.0.1", port, "/ws/"))
        await clients[-1].ask()
    return clients


async def cost(port: int, session: int, number: int) -> float:
    """KiB that a connection costs."""
    first = await opened(port, 100)  # what is made once is not counted
    before = memory(session)
    others = await opened(port, number)
    grown = memory(session) - before
    for client in first + others:
        client.transport.abort()
    return grown / number / 1024


def main(server: str = "uvicorn", connections: str = "4000", rounds: str = "5") -> None:
    """Measure and print."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    costs: dict[str, list[float]] = {name: [] for name in APPLICATIONS}
    with installed(server) as project:
        for _ in range(int(rounds)):
            for name, application in APPLICATIONS.items():
                with serving(project, server, application) as (port, session):
                    costs[name].append(asyncio.run(cost(port, session, int(connections))))
    bare, service = (statistics.median(costs[name]) for name in APPLICATIONS)
    print(f"| {server}, KiB a connection | bare | service | ratio |")
    print("|---|---|---|---|")
    print(f"| {connections} idle | {bare:.1f} | {service:.1f} | {service / bare:.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
