"""How long a message takes to all members of a room, and whether any is lost.

`publish` of the service beside a loop of `await send(...)` to the same clients in the same process,
which is the limit, and beside what the others publish with.
"""

from collections.abc import Iterator
from itertools import product

from benchmarks.contenders import (
    CHANNELS,
    CHANNELS_PUBSUB,
    CHANNELS_REDIS,
    DJANGO_SOCKET,
    DJANGO_SOCKET_REDIS,
    SERVICE,
    Contender,
)
from benchmarks.projects import Extent, Lab
from benchmarks.servers import Serving, serving
from benchmarks.tables import Table

PLAIN = "a loop of sends"
IN_PROCESS = (CHANNELS, DJANGO_SOCKET, SERVICE)
THROUGH_REDIS = (CHANNELS_REDIS, CHANNELS_PUBSUB, DJANGO_SOCKET_REDIS, SERVICE)
BURST = 300  # messages at once
PASSES = 2  # in which each is started anew


def batch(members: int) -> int:
    """Messages that are published one after the other: fewer than any of them drops."""
    return max(1, min(50, 20_000 // members))


def spread(where: Serving, one: Contender, members: int, extent: Extent, table: Table) -> float:
    """Note how long a message takes to so many members; return how busy they were."""
    busy = 0.0
    ways = {PLAIN: "plain"} if one is SERVICE else {}
    ways[one.name] = "published"
    with where.client("room_members", "", str(members), str(extent.patience)) as room:
        room.result()
        for way in ways.values():
            room.result(f"{way} {batch(members)}")  # warms up
        for _, (name, way) in product(range(extent.rounds), ways.items()):
            said = room.result(f"{way} {batch(members)}")
            table.add(name, said["seconds"] / batch(members) * 1000)
            busy = max(busy, said["busy"])
            if said["lost"]:
                table.lost.add(name)
    return busy


def burst(where: Serving, members: int, extent: Extent) -> float:
    """The percentage of many messages at once that does not reach all members."""
    with where.client("room_members", "", str(members), str(extent.patience)) as room:
        room.result()
        return room.result(f"published {BURST}")["lost"] / BURST / members * 100


def in_room(
    lab: Lab, who: tuple[Contender, ...], members: int, server: str = "uvicorn", redis: str = ""
) -> Iterator[Table]:
    """How long a message takes in a room of this size; in the smallest, what a burst loses."""
    how, variables = ("through Redis", {"REDIS_URL": redis}) if redis else ("in process", {})
    name = f"{'redis' if redis else 'process'}-{members}"
    title = f"a message to {members:,} clients, {how}, until the last has it"
    table = Table(f"fanout-{name}", title, "ms")
    title = f"lost of {BURST} messages at once to {members:,} clients, {how}"
    lost = Table(f"lost-{name}", title, "%")
    busy = 0.0
    for _, one in product(range(min(PASSES, lab.extent.rounds)), who):
        with serving(lab.project(server), server, one, **variables) as where:
            busy = max(busy, spread(where, one, members, lab.extent, table))
            if members == lab.extent.rooms[0]:
                lost.add(one.name, burst(where, members, lab.extent))
    table.note_busy(busy)
    yield table
    if lost.values:
        yield lost


def measure(lab: Lab, who: tuple[Contender, ...] = IN_PROCESS, redis: str = "") -> Iterator[Table]:
    """Each size of room."""
    for members in lab.extent.rooms:
        yield from in_room(lab, who, members, redis=redis)
