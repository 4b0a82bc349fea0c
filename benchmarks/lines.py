"""Lines of Python on a WebSocket's way through each: what a user owns, and what comes with it.

Counted are the modules that the application and its routes import, without Django, asgiref and the
server, which all have in common, and without blank lines; the loops of this benchmark are in it.
"""

import subprocess
from collections.abc import Iterator

from benchmarks.contenders import CHANNELS, DJANGO_SOCKET, SERVICE, STARLETTE, Contender
from benchmarks.projects import Lab
from benchmarks.servers import SETTINGS
from benchmarks.tables import Table
from tests.installing import environment
from tests.rendering import TEMPLATE

SERVICE_OWN = ("config.asgi", "config.websocket", "realtime", "benchmarks.service.routes")
SERVICE_LATER = "benchmarks.service.routes,realtime.backends.redis"
THEIRS = ("starlette", "channels", "channels_redis", "django_socket")
COUNT = """
import sys
from importlib import import_module
from pathlib import Path
modules, *counted = sys.argv[1:]
for name in modules.split(","):
    import_module(name)
files = [module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", "")
         and any(f"{name}.".startswith(f"{package}.") for package in counted)]
print(sum(bool(line.strip()) for file in files for line in Path(file).read_text().splitlines()))
"""


def count(lab: Lab, one: Contender, packages: tuple[str, ...]) -> int:
    """The lines of what the application imports of these packages."""
    modules = f"{one.module},{SERVICE_LATER}" if one is SERVICE else one.module
    variables = SETTINGS | one.variables | {"REDIS_URL": "redis://localhost:6379"}
    counted = subprocess.check_output(
        [lab.program(), "-c", COUNT, modules, *packages],
        cwd=lab.project(),
        env=environment(PYTHONPATH=f"{lab.project()}:{TEMPLATE}", **variables),
        text=True,
    )
    return int(counted)


def measure(lab: Lab) -> Iterator[Table]:
    """Count."""
    own = Table("lines-own", "lines that a user owns", "lines")
    theirs = Table("lines-theirs", "lines of the packages that these depend on", "lines")
    for one in (STARLETTE, CHANNELS, DJANGO_SOCKET, SERVICE):
        own.add(one.name, count(lab, one, SERVICE_OWN if one is SERVICE else (one.module,)))
        theirs.add(one.name, count(lab, one, THEIRS))
    yield own
    yield theirs
