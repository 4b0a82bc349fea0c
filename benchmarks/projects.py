"""How much is measured, and in which rendered projects."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders import PACKAGES
from benchmarks.returning import Returning
from benchmarks.servers import installed
from benchmarks.stage import Scale
from tests.rendering import SERVERS


@dataclass(frozen=True)
class Extent:
    """How often and how long is measured, and with how many clients."""

    rounds: int = 2
    short_rounds: int = 6  # of rates
    seconds: float = 2  # of each
    storm: int = 1000
    idle: int = 2000
    rooms: tuple[int, ...] = (100, 1000)
    room: int = 1000  # on each of the servers
    crowds: tuple[int, ...] = (1000, 5000, 20_000)  # growing rooms
    sessions: tuple[int, ...] = (0, 10_000, 100_000)
    channels: tuple[int, ...] = (1, 100, 10_000)
    patience: float = 60  # seconds for a room's first message
    servers: tuple[str, ...] = tuple(SERVERS)
    faults: tuple[str, ...] = ("deploy", "kill")
    scale: Scale = field(default_factory=Scale)


QUICK = Extent(
    rounds=1,
    short_rounds=1,
    seconds=0.3,
    storm=20,
    idle=50,
    rooms=(20,),
    room=20,
    crowds=(20,),
    sessions=(0, 100),
    channels=(1, 10),
    patience=6,
    servers=("granian",),
    faults=("deploy",),
    scale=Scale(seconds=3, clients=Returning(4, 2, longest=0.5), times=1),
)


@dataclass
class Lab:
    """Projects are installed when they are first asked for."""

    extent: Extent
    stack: ExitStack
    projects: dict[str, Path] = field(default_factory=dict)

    def project(self, server: str = "uvicorn") -> Path:
        """The rendered project for this server, with all peers in its environment."""
        if server not in self.projects:
            self.projects[server] = self.stack.enter_context(installed(server, *PACKAGES))
        return self.projects[server]

    def program(self, server: str = "uvicorn") -> str:
        """The Python of its environment."""
        return f"{self.project(server)}/.venv/bin/python"


@contextmanager
def lab(extent: Extent) -> Iterator[Lab]:
    """A lab until the block ends."""
    with ExitStack() as stack:
        yield Lab(extent, stack)
