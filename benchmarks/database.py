"""Messages that each need a query of 20 ms on PostgreSQL, from 64 clients: at most 3,200 a second.

    python -m benchmarks.database DATABASE_URL [uvicorn|granian|hypercorn|daphne] [SECONDS]

Prints the rate, with a pool of 64 connections, and its ratio to the limit. Linux only.
"""

import asyncio
import os
import sys
import time

from benchmarks.connection import Client
from benchmarks.servers import installed, serving

CLIENTS, QUERY = 64, 0.02


async def answered(port: int, seconds: float) -> int:
    """The messages that were answered."""

    async def converse() -> int:
        client = await Client.connect("127.0.0.1", port, "/query/")
        number = 0
        while time.perf_counter() < deadline:
            await client.ask()
            number += 1
        client.transport.abort()
        return number

    deadline = time.perf_counter() + seconds
    return sum(await asyncio.gather(*(converse() for _ in range(CLIENTS))))


def main(url: str, server: str = "uvicorn", seconds: str = "10") -> None:
    """Measure and print."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "benchmarks.probe.settings",
        "DATABASE_URL": f"{url}?pool={CLIENTS}",
    }
    with (
        installed(server) as project,
        serving(project, server, "config.asgi:application", **variables) as (port, _),
    ):
        os.sched_setaffinity(0, {1})
        asyncio.run(answered(port, 2))  # fills the pool
        rate = asyncio.run(answered(port, float(seconds))) / float(seconds)
    limit = CLIENTS / QUERY
    print(f"{server}: {rate:,.0f} messages a second, {rate / limit:.2f} of {limit:,.0f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
