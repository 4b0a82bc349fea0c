"""What `publish` costs over a plain loop of `await send(...)` to the same clients.

    python -m benchmarks.fanout [uvicorn|granian|hypercorn|daphne] [CLIENTS] [REDIS_URL]

Both run in one process of the rendered service, in turn, between them 12 rounds; a round lasts from
the command until the last client has the last message. Prints a Markdown table: microseconds for a
message to one client, and the ratio of the rates. Linux only.
"""

import asyncio
import os
import statistics
import sys
import time

from benchmarks.connection import Client, Counter
from benchmarks.servers import installed, serving

WAYS = ("plain", "published")
ROUNDS = 12
FRAME = 102  # bytes of a message of 100 bytes, as the server frames it (RFC 6455, section 5.2)


async def seconds(control: Client, way: str, messages: int, clients: int) -> float:
    """The time until the last client has got all messages."""
    all_there = Counter.expect(messages * clients * FRAME)
    begin = time.perf_counter()
    control.send(f"{way} {messages}")
    async with asyncio.timeout(120):
        await all_there
    return time.perf_counter() - begin


async def measure(port: int, clients: int) -> dict[str, list[float]]:
    """Microseconds for a message to one client, in each round."""
    members = [await Counter.connect("127.0.0.1", port, "/member/") for _ in range(clients)]
    control = await Client.connect("127.0.0.1", port, "/control/")
    messages = max(1, 20_000 // clients)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS + 1):
        for way in WAYS:
            spent = await seconds(control, way, messages, clients)
            times[way].append(spent / messages / clients * 1e6)
    for member in members:
        member.transport.abort()
    return {way: spent[1:] for way, spent in times.items()}  # the first warms up


def main(server: str = "uvicorn", clients: str = "1000", redis: str = "") -> None:
    """Measure and print."""
    variables = {"DJANGO_SETTINGS_MODULE": "benchmarks.probe.settings", "REDIS_URL": redis}
    if not redis:
        del variables["REDIS_URL"]
    with (
        installed(server) as project,
        serving(project, server, "config.asgi:application", **variables) as (port, _),
    ):
        os.sched_setaffinity(0, {1})
        times = asyncio.run(measure(port, int(clients)))
    plain, published = (statistics.median(times[way]) for way in WAYS)
    pairs = zip(times["plain"], times["published"], strict=True)
    low, ratio, high = statistics.quantiles(a / b for a, b in pairs)
    print(f"| {server}, {clients} clients | plain, µs | published, µs | ratio | quartiles |")
    print("|---|---|---|---|---|")
    where = "through Redis" if redis else "in process"
    print(f"| {where} | {plain:.1f} | {published:.1f} | {ratio:.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
