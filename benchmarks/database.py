"""Messages that each need a query of 20 ms, from 64 clients: at most 3,200 a second."""

from collections.abc import Iterator
from itertools import product

from benchmarks.contenders import WITH_USERS
from benchmarks.projects import Lab
from benchmarks.rates import Load, apply
from benchmarks.servers import serving
from benchmarks.tables import Table

QUERY = 0.02  # seconds
LOAD = Load("database", "messages with a query of 20 ms, 64 clients", "messages", 64, "/query/")


def measure(lab: Lab, url: str) -> Iterator[Table]:
    """Each by itself, with a pool that has a connection for each client; per second of the clock.

    The handshakes are in it, and the filling of the pool.
    """
    table = Table(LOAD.name, LOAD.title, "a second")
    table.add("the limit", LOAD.clients / QUERY)
    seconds = 3 * lab.extent.seconds
    for _, one in product(range(lab.extent.rounds), WITH_USERS):
        variables = {"DATABASE_URL": f"{url}?pool={LOAD.clients}"}
        with serving(lab.project(), "uvicorn", one, **variables) as where:
            table.add(one.name, apply(LOAD, where, "", seconds)["done"] / seconds)
    table.note = "Channels by `database_sync_to_async`, whose calls share a thread by default."
    yield table
