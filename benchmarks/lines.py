"""Lines of Python: what a user owns, and what comes with it in packages.

Of the service all of `config/` and `realtime/` is counted, of the others their module of this
benchmark, and the whole of the packages. Tests and blank lines are left out; so are Django, asgiref
and the server, which all have in common.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import CHANNELS, DJANGO_SOCKET, SERVICE, STARLETTE
from benchmarks.projects import Lab
from benchmarks.tables import Table
from tests.rendering import TEMPLATE

BROUGHT = [
    (STARLETTE, ["starlette"]),
    (CHANNELS, ["channels", "channels_redis"]),
    (DJANGO_SOCKET, ["django_socket"]),
    (SERVICE, []),
]


def count(folder: Path, names: list[str]) -> int:
    """The lines of these modules and packages in the folder."""
    files = [path for name in names for path in (folder / name).rglob("*.py")]
    files += [path for name in names if (path := folder / f"{name}.py").exists()]
    ours = [path for path in files if "tests" not in path.relative_to(folder).parts]
    return sum(bool(line.strip()) for path in ours for line in path.read_text().splitlines())


def measure(lab: Lab) -> Iterator[Table]:
    """Count."""
    own = Table("lines-own", "lines that a user owns", "lines")
    theirs = Table("lines-theirs", "lines of the packages that these depend on", "lines")
    (installed,) = lab.project().glob(".venv/lib/python*/site-packages")
    for one, packages in BROUGHT:
        module = one.module.replace(".", "/")
        ours = (lab.project(), ["config", "realtime"]) if one is SERVICE else (TEMPLATE, [module])
        own.add(one.name, count(*ours))
        theirs.add(one.name, count(installed, packages))
    yield own
    yield theirs
