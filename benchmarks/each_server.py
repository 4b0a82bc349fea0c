"""The rendered service on each of the four servers."""

from collections.abc import Callable, Iterator

from benchmarks import fanout, memory, rates
from benchmarks.contenders import BARE, SERVICE
from benchmarks.projects import Lab
from benchmarks.tables import Table

BOTH = (BARE, SERVICE)
MEASURES: dict[str, Callable[[Lab, str], Iterator[Table]]] = {
    "messages": lambda lab, server: rates.measure(lab, rates.MESSAGES, server, BOTH),
    "connections": lambda lab, server: rates.measure(lab, rates.ANONYMOUS, server, BOTH),
    "memory": lambda lab, server: memory.measure(lab, server, BOTH),
    "fanout": lambda lab, server: fanout.in_room(lab, (SERVICE,), lab.extent.room, server),
}


def measure(lab: Lab) -> Iterator[Table]:
    """A table for each measure; how the service compares with its limit there is in the note."""
    for name, of_server in MEASURES.items():
        tables = {server: next(of_server(lab, server)) for server in lab.extent.servers}
        first = tables[lab.extent.servers[0]]
        table = Table(f"servers-{name}", f"{first.title}, on each server", first.unit)
        ratios = []
        for server, one in tables.items():
            table.values[server] = one.values[SERVICE.name]
            (limit,) = one.values.keys() - {SERVICE.name}
            ratios.append(f"{server} {one.median(SERVICE.name) / one.median(limit):.2f}")
        table.note = f"To {limit} on the same server: {', '.join(ratios)}."
        yield table
