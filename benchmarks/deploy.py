"""What a deploy, and other faults, cost the clients of a busy room.

100 numbered messages a second go to 130 clients of two processes, which share a Redis and stand
behind a relay that takes clients past a process that is down; the clients come back within two
seconds. `faults.py` has what happens, `stage.py` how.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import CHANNELS_PUBSUB, CHANNELS_REDIS, DJANGO_SOCKET_REDIS, SERVICE
from benchmarks.faults import FAULTS
from benchmarks.outcomes import Outcome
from benchmarks.projects import Lab
from benchmarks.stage import Fault, Room, undergo
from benchmarks.tables import Sheet, Table

OURS = Room(SERVICE)
OTHERS = [
    Room(one, "/member/", one.module, resume=False)
    for one in (CHANNELS_REDIS, CHANNELS_PUBSUB, DJANGO_SOCKET_REDIS)
]


def outcome(lab: Lab, fault: Fault, room: Room, server: str) -> Outcome:
    """What clients see when it happens there."""
    with tempfile.TemporaryDirectory() as folder:
        where = room, lab.project(server), server, Path(folder)
        return asyncio.run(undergo(fault, *where, lab.extent.scale))


def measure(lab: Lab) -> Iterator[Table | Sheet]:
    """A deploy of all contenders on the first server; then each fault on each server."""
    fault, server = FAULTS["deploy"], lab.extent.servers[0]
    title = f"lost of {lab.extent.scale.total:,} messages by a client, {fault.title}"
    lost, sheet = Table("deploy", title, "messages"), Sheet(f"{fault.title}, on {server}")
    for room in (*OTHERS, OURS):
        seen = outcome(lab, fault, room, server)
        lost.values[room.one.name] = [*seen.lost]
        sheet.rows[room.one.name] = seen.figures()
    yield lost
    yield sheet
    for fault in map(FAULTS.__getitem__, lab.extent.faults):
        sheet = Sheet(fault.title)
        for server in lab.extent.servers:
            sheet.rows[server] = outcome(lab, fault, OURS, server).figures()
        yield sheet
