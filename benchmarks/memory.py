"""What an idle connection costs in memory."""

from collections.abc import Iterator

from benchmarks.contenders import ALL, Contender
from benchmarks.projects import Lab
from benchmarks.servers import Serving, serving
from benchmarks.tables import Table

FIRST = 100  # connections that are not counted, as they make what is made once


def cost(where: Serving, number: int) -> float:
    """KiB that each of so many connections costs, once it has been pinged."""
    with where.client("load", "/ws/", "", "hold", str(FIRST)) as first:
        first.result()
        before = where.memory()
        with where.client("load", "/ws/", "", "hold", str(number)) as others:
            others.result()
            return (where.memory() - before) / number / 1024


def measure(lab: Lab, server: str = "uvicorn", who: tuple[Contender, ...] = ALL) -> Iterator[Table]:
    """Each round starts all anew, one after the other."""
    table = Table("memory", f"memory of an idle connection, {lab.extent.idle:,} open", "KiB")
    for _ in range(lab.extent.rounds):
        for one in who:
            with serving(lab.project(server), server, one) as where:
                table.add(one.name, cost(where, lab.extent.idle))
    yield table
