"""Messages and new connections per second.

Per second of the server's processor time, which is what an undisturbed core does in a second: other
work on the machine does not count. A first round, in which the servers import and connect, is not
counted either.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks.contenders import ALL, WITH_USERS, Contender
from benchmarks.projects import Lab
from benchmarks.servers import Serving, cookie, serving
from benchmarks.tables import Table


@dataclass(frozen=True)
class Load:
    """What the clients do, and how many of them at once."""

    name: str
    title: str
    what: str
    clients: int
    path: str = "/ws/"
    who: tuple[Contender, ...] = ALL


MESSAGES = Load("messages", "messages, 64 clients", "messages", 64)
ANONYMOUS = Load("connections", "new connections, anonymous", "connections", 32)
SESSION = replace(
    ANONYMOUS,
    name="sessions",
    title="new connections, with a session",
    path="/private/",
    who=WITH_USERS,
)


def apply(load: Load, where: Serving, key: str, seconds: float) -> dict[str, float]:
    """Put the load on the server; return what the clients say, and the `rate`."""
    before = where.processor_time()
    arguments = (key, load.what, str(load.clients), str(seconds))
    with where.client("load", load.path, *arguments) as client:
        said = client.result()
    return said | {"rate": said["done"] / (where.processor_time() - before)}


def measure(
    lab: Lab, load: Load, server: str = "uvicorn", who: tuple[Contender, ...] = ()
) -> Iterator[Table]:
    """The rates of all, in turn; of messages also the times of the answers."""
    project = lab.project(server)
    rate = Table(load.name, load.title, "a CPU second")
    times = {p: Table(p, f"time of an answer, 64 clients, {p}", "ms") for p in ("p50", "p99")}
    busy = 0.0
    key = cookie(project) if load.who == WITH_USERS else ""
    with ExitStack() as stack:
        running = {
            one.name: stack.enter_context(serving(project, server, one)) for one in who or load.who
        }
        for where in running.values():
            apply(load, where, key, lab.extent.seconds)
        for _ in range(lab.extent.short_rounds):
            for name, where in running.items():
                said = apply(load, where, key, lab.extent.seconds)
                rate.add(name, said["rate"])
                for p, table in times.items():
                    table.add(name, said[p])
                busy = max(busy, said["busy"])
    rate.note_busy(busy)
    yield rate
    if load is MESSAGES:
        yield from times.values()
