"""Publishes numbers to a room, from a process of its own, in a rendered project.

    python -m benchmarks.publisher MODULE RATE

`tell` of the module publishes. Prints each number when it is published, and before it a line with
the error for each attempt that raised.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from itertools import count

import django  # type: ignore[import-not-found]

PAUSE = 0.05  # seconds between attempts


async def main(tell: Callable[[str], Awaitable[None]], rate: float) -> None:
    """Publish so many a second, for ever; after an outage at once what was due meanwhile."""
    begin = time.monotonic()
    for number in count():
        await asyncio.sleep(begin + number / rate - time.monotonic())
        while True:
            try:
                await tell(str(number))
                break
            except Exception as error:
                print(number, repr(error), flush=True)
                await asyncio.sleep(PAUSE)
        print(number, flush=True)


if __name__ == "__main__":
    django.setup()
    module, rate = sys.argv[1:]
    asyncio.run(main(import_module(module).tell, float(rate)))
