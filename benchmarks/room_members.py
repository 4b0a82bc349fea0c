"""The members of a room in one process, and one who publishes to it.

    python -m benchmarks.room_members URL MEMBERS PATIENCE

Opens URL/member/ so often and URL/control/ once, and prints a line of JSON. Then, for each line of
its standard input, as "published 20", it tells control so, and prints the `seconds` until the last
member had the last message, and how many of so many messages each were `lost`; and how `busy` it
was. After PATIENCE seconds without the first message, or a sixth of them without the next, the
others count as lost.
"""

import asyncio
import sys
import time
from contextlib import suppress
from typing import Any

from picows import WSListener, WSMsgType  # type: ignore[import-not-found]

from benchmarks.load import Busy, connected, run


class Member(WSListener):  # type: ignore[misc]
    """Counts, together with all others, the messages that it gets."""

    got = expected = 0
    last = 0.0
    complete = asyncio.Event()

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            Member.got += 1
            Member.last = time.perf_counter()
            if Member.got == Member.expected:
                Member.complete.set()


async def publish(control: Any, order: str, members: int, patience: float) -> None:
    """Tell control the order; wait until each member has its messages, or nothing comes."""
    Member.got, Member.expected = 0, int(order.split()[1]) * members
    Member.complete.clear()
    busy, began = Busy(), time.perf_counter()
    Member.last = began
    control.send(WSMsgType.TEXT, order.encode())
    while not Member.complete.is_set():
        rest = Member.last + patience / (6 if Member.got else 1) - time.perf_counter()
        if rest < 0:
            break
        with suppress(TimeoutError):
            await asyncio.wait_for(Member.complete.wait(), rest)
    busy.say(seconds=Member.last - began, lost=Member.expected - Member.got)


async def main(url: str, members: int, patience: float) -> None:
    """Open the connections and do as the standard input says."""
    busy = Busy()
    room = [await connected(f"{url}/member/", Member()) for _ in range(members)]
    control = await connected(f"{url}/control/", WSListener())
    busy.say(members=len(room))
    while order := (await asyncio.to_thread(sys.stdin.readline)).strip():
        await publish(control, order, members, patience)


if __name__ == "__main__":
    run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
