"""Somebody who asks for a page 20 times a second, each time on a connection of its own.

    python -m benchmarks.pages URL

Asks on time, however long the answers take. For each line of its standard input it waits for those
under way, and prints how many there were since the last one, and of their times in ms the median,
`p50`, and the `worst`; how many `failed`; and by how many ms it asked too `late` at worst, as on a
machine that has more to do than it can.
"""

import asyncio
import statistics
import sys
import time
from contextlib import suppress
from urllib.parse import urlsplit

from benchmarks.load import Busy, run

EACH = 0.05  # seconds


async def get(url: str) -> bytes:
    """The answer, with its headers; or what came of it."""
    where, answer = urlsplit(url), b""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n")
        answer = await reader.read(-1)
        writer.close()
    return answer


async def ask(url: str) -> tuple[float, bool]:
    """How many ms the page took, and whether it came."""
    began = time.perf_counter()
    answer = await get(url)
    return (time.perf_counter() - began) * 1000, answer.startswith(b"HTTP/1.1 200 ")


async def main(url: str) -> None:
    """Ask, and say what came of it, until the standard input ends."""
    lines = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    while True:
        busy, late, asked = Busy(), 0.0, list[asyncio.Task[tuple[float, bool]]]()
        due = time.perf_counter()
        while not lines.done():
            late = max(late, time.perf_counter() - due)
            asked.append(asyncio.create_task(ask(url)))
            due += EACH
            await asyncio.wait({lines}, timeout=max(due - time.perf_counter(), 0))
        if not await lines:
            return
        lines = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        times, came = zip(*await asyncio.gather(*asked), strict=True)
        told = {"pages": len(times), "failed": came.count(False), "late": late * 1000}
        busy.say(p50=statistics.median(times), worst=max(times), **told)


if __name__ == "__main__":
    run(main(sys.argv[1].replace("ws", "http", 1)))
