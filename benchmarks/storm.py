"""A storm: how long many clients with a session take to come in all at once, as after a deploy, and
how long somebody else waits for a page meanwhile.
"""

import time
from collections.abc import Iterator
from itertools import product

from benchmarks.contenders import WITH_USERS, Contender
from benchmarks.projects import Lab
from benchmarks.servers import Serving, cookie, serving
from benchmarks.tables import Table

CALM = 0.5  # seconds before the storm, in which the first pages are asked for


def storm(where: Serving, key: str, clients: int) -> tuple[dict[str, float], dict[str, float]]:
    """What the clients say of it, and what somebody who asks for pages says."""
    with where.client("pages", "/") as pages:
        time.sleep(CALM)
        pages.result("calm")
        with where.client("load", "/private/", key, "storm", str(clients)) as crowd:
            return crowd.result(), pages.result("storm")


def measure(
    lab: Lab, server: str = "uvicorn", who: tuple[Contender, ...] = WITH_USERS
) -> Iterator[Table]:
    """Each round starts all anew, one after the other."""
    clients, project = lab.extent.storm, lab.project(server)
    meanwhile = f"a page while {clients:,} clients with a session come in"
    tables = {
        "seconds": Table("storm", f"until {clients:,} clients with a session are in", "s"),
        "p50": Table("storm-p50", f"{meanwhile}, p50", "ms"),
        "worst": Table("storm-worst", f"{meanwhile}, the longest", "ms"),
    }
    key, late, busy, failed = cookie(project), 0.0, 0.0, dict[str, float]()
    for _, one in product(range(lab.extent.rounds), who):
        with serving(project, server, one) as where:
            crowd, pages = storm(where, key, clients)
        for name, table in tables.items():
            table.add(one.name, (pages | crowd)[name])
        late, busy = max(late, pages["late"]), max(busy, crowd["busy"])
        failed[one.name] = failed.get(one.name, 0) + crowd["failed"] + pages["failed"]
    lost = "".join(f"{name} failed {n} times. " for name, n in failed.items() if n)
    tables["seconds"].note = lost
    tables["seconds"].note_busy(busy)
    tables["worst"].note = f"The pages were asked for at most {late:.0f} ms late."
    yield from tables.values()
