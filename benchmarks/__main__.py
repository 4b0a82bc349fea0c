"""All measurements, or some: `python -m benchmarks [--quick] [--output FOLDER] [NAME ...]`.

Prints each table as soon as it is there. With all of them done, writes benchmarks.md and in charts/
a chart of each measure, in docs/ by default. What needs a Redis or a PostgreSQL is left out where
there is none. Linux only; takes three quarters of an hour, two minutes with --quick.
"""

import argparse
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from benchmarks import (
    database,
    deploy,
    each_server,
    fanout,
    first_pong,
    growth,
    lines,
    memory,
    rates,
    storm,
)
from benchmarks.charts import chart
from benchmarks.projects import QUICK, Extent, Lab, lab
from benchmarks.tables import Sheet, Table, document, markdown
from tests.installing import environment
from tests.services import own_redis, postgres

COMMAND = "python -m benchmarks"
TYPED = f"uv run --no-project --with-requirements requirements.txt {COMMAND}"
SHOWN = "django uvicorn granian hypercorn daphne starlette channels channels-redis django-socket"


def through_redis(measure: Callable[[str], Iterator[Table | Sheet]]) -> Iterator[Table | Sheet]:
    """A measure with a Redis of its own."""
    with tempfile.TemporaryDirectory() as folder, own_redis(Path(folder)) as redis:
        yield from measure(redis.url)


MEASURES: dict[str, Callable[[Lab], Iterator[Table | Sheet]]] = {
    "deploy": deploy.measure,
    "messages": lambda lab: rates.measure(lab, rates.MESSAGES),
    "connections": lambda lab: rates.measure(lab, rates.ANONYMOUS),
    "sessions": lambda lab: rates.measure(lab, rates.SESSION),
    "storm": storm.measure,
    "memory": memory.measure,
    "fanout": fanout.measure,
    "redis": lambda lab: through_redis(
        lambda url: fanout.measure(lab, fanout.THROUGH_REDIS, url),
    ),
    "growth": lambda lab: through_redis(lambda url: growth.measure(lab, url)),
    "database": lambda lab: database.measure(lab, postgres()),
    "servers": each_server.measure,
    "first": first_pong.measure,
    "lines": lines.measure,
}


def circumstances(lab: Lab) -> str:
    """Date, machine and versions."""
    versions = set()
    for project in lab.projects.values():
        freeze = ["uv", "pip", "freeze", "--python", ".venv"]
        told = subprocess.check_output(freeze, cwd=project, env=environment(), text=True)
        versions |= {line for line in told.split() if line.split("==")[0] in SHOWN.split()}
    python = subprocess.check_output([lab.program(), "-V"], text=True).strip()
    named = [
        line.split(":")[1]
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    machine = f"{os.cpu_count()} cores{f' of {named[0].strip()}' if named else ''}"
    return f"{date.today()}; {machine}; {python}, {', '.join(sorted(versions)).replace('==', ' ')}."


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog=COMMAND)
    parser.add_argument("--quick", action="store_true", help="short and few, to see that it works")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="folder, docs by default")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"no measure {', '.join(unknown)}: there are {', '.join(MEASURES)}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tables: list[Table | Sheet] = []
    with lab(QUICK if options.quick else Extent()) as here:
        for name in options.names or MEASURES:
            try:
                for table in MEASURES[name](here):
                    print(f"\n{markdown(table)}", flush=True)
                    tables.append(table)
            except pytest.skip.Exception as reason:
                print(f"\n{name}: left out, {reason}")
        if not options.names:
            charts = options.output / "charts"
            charts.mkdir(parents=True, exist_ok=True)
            told = document(tables, circumstances(here), TYPED)
            (options.output / "benchmarks.md").write_text(told, "utf-8")
            for table in (each for each in tables if isinstance(each, Table)):
                (charts / f"{table.name}.svg").write_text(chart(table), "utf-8")


if __name__ == "__main__":
    main()
