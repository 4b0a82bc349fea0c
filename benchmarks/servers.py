"""Rendered services and other applications, started on one core for a measurement. Linux only."""

import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender
from tests.installing import environment
from tests.rendering import TEMPLATE, render
from tests.serving import LOGIN, free_port, production_command, started

SETTINGS = {"DEBUG": "false", "SECRET_KEY": "for this measurement", "ALLOWED_HOSTS": "127.0.0.1"}


@dataclass
class Serving:
    """A server that runs; `session` is that of its processes, by setsid(2)."""

    project: Path
    port: int
    session: int

    def processes(self) -> Iterator[tuple[Path, list[str]]]:
        """Its processes, by proc(5): the folder of each, and the fields of its status."""
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):  # another one that has ended
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.session:
                    yield path, fields

    def processor_time(self) -> float:
        """Seconds that its processes have run."""
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self.processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes of memory that its processes hold for themselves."""
        lines = [
            line.split()
            for path, _ in self.processes()
            for line in (path / "smaps_rollup").read_text().splitlines()
        ]
        own = {"Private_Clean:", "Private_Dirty:"}
        return sum(int(line[1]) * 1024 for line in lines if line[0] in own)

    @contextmanager
    def client(self, module: str, path: str, *arguments: str) -> Iterator["Client"]:
        """A program of clients, on the other core."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        command = [f"{self.project}/.venv/bin/python", "-m", f"benchmarks.{module}", url]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(
            [*command, *arguments], cwd=TEMPLATE, preexec_fn=on_core(-1), **pipes
        ) as process:
            try:
                yield Client(process)
            finally:
                process.kill()


@dataclass
class Client:
    """A program of clients that runs."""

    process: subprocess.Popen[str]

    def result(self, order: str = "") -> dict[str, float]:
        """What it prints next, after the order if there is one."""
        assert self.process.stdin and self.process.stdout
        if order:
            self.process.stdin.write(order + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the client has ended"
        told: dict[str, float] = json.loads(line)
        return told


def on_core(place: int) -> functools.partial[None]:
    """Return a function that keeps the process on the first core that there is, or the last, -1."""
    return functools.partial(os.sched_setaffinity, 0, {sorted(os.sched_getaffinity(0))[place]})


@contextmanager
def installed(server: str, *more: str) -> Iterator[Path]:
    """A project for this server, with its environment and more packages, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        project = render(Path(folder), asgi_server=server)
        for command in (["sync"], ["pip", "install", "--python", ".venv", *more]):
            subprocess.run(["uv", *command, "--quiet"], cwd=project, env=environment(), check=True)
        manage(project, "migrate")
        yield project


def manage(project: Path, *arguments: str) -> str:
    """Run manage.py and return what it prints."""
    command = [f"{project}/.venv/bin/python", "manage.py", *arguments]
    variables = environment(**SETTINGS)
    return subprocess.check_output(command, cwd=project, env=variables, text=True)


def cookie(project: Path) -> str:
    """The Cookie header of a user who is logged in."""
    told = manage(project, "shell", "--no-imports", "-c", LOGIN.format(name="ada"))
    return f"sessionid={told.split('session:')[1].strip()}"


def command(project: Path, server: str, contender: Contender, port: int) -> list[str]:
    """What runs the application as in production."""
    parts = production_command(project, server, port, contender.application)
    if "benchmarks" in contender.application:
        for option in {"--lifespan", "--ws"}.intersection(parts):  # which not every other knows
            parts[parts.index(option) + 1] = "auto"
        if "--log-config" in parts:
            del parts[(at := parts.index("--log-config")) : at + 2]
    return parts


def variables(project: Path, contender: Contender, **more: str) -> dict[str, str]:
    """The environment that it runs in."""
    path = f"{project}:{TEMPLATE}"
    return environment(PYTHONPATH=path, **(SETTINGS | contender.variables | more))


@contextmanager
def serving(project: Path, server: str, contender: Contender, **more: str) -> Iterator[Serving]:
    """Run the application as in production."""
    port = free_port()
    log = project / f"{port}.log"
    environ = variables(project, contender, **more)
    options: dict[str, Any] = {"cwd": project, "env": environ, "preexec_fn": on_core(0)}
    with started(command(project, server, contender, port), port, log, **options) as process:
        yield Serving(project, port, process.pid)
