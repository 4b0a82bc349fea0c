"""Builds and runs what a Dockerfile says, without Docker: bubblewrap stands for the container.

A stage is a folder with what its COPY and RUN have put there. In the sandbox that is at its place,
the machine's own system files are the base image, and nothing else of the machine is there.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from tests.installing import NEWEST, environment, interpreter, program, version

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
UV = "usr/local/bin"
CHECK = ("python", "manage.py", "check")  # what a CI runs in an image that it has built


@dataclass
class Stage:
    """A stage of a build: the folder of its files, and what its instructions set."""

    root: Path
    variables: dict[str, str]
    workdir: str = "/"
    user: str = "0"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def sandbox(self, *options: str, writable: bool = False) -> list[str]:
        """The beginning of a command line that runs a command in the image."""
        bind = "--bind" if writable else "--ro-bind"
        own = [path for path in self.root.iterdir() if path.name != "usr"]
        places = [(str(path), f"/{path.name}") for path in own]
        if (self.root / UV).exists():
            places.append((str(self.root / UV), f"/{UV}"))
        return [
            *(program("bwrap"), "--die-with-parent", "--unshare-user", "--unshare-pid"),
            *("--uid", self.user, "--gid", self.user, "--proc", "/proc", "--dev", "/dev"),
            *(option for path in SYSTEM for option in system(Path(path))),
            *("--tmpfs", "/tmp", "--ro-bind", *[str(python().parent.parent)] * 2),
            *(option for place in places for option in (bind, *place)),
            *(x for name, value in self.variables.items() for x in ("--setenv", name, value)),
            *("--chdir", self.workdir, *options, "--remount-ro", "/"),
        ]


def python() -> Path:
    """The Python of the base image."""
    return Path(interpreter(NEWEST)).resolve()


def system(path: Path) -> list[str]:
    """The options that put a folder of the machine into the sandbox, where it may be a link."""
    if path.is_symlink():
        return ["--symlink", os.readlink(path), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.exists() else []


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Each instruction and its arguments, on one line."""
    lines = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", "")
    for line in filter(None, lines.splitlines()):
        keyword, _, arguments = line.partition(" ")
        yield keyword, arguments.strip()


def build(context: Path, folder: Path) -> dict[str, Stage]:
    """Follow the Dockerfile of a project; the last stage is "". Raises RuntimeError."""
    stages: dict[str, Stage] = {}
    for keyword, arguments in instructions((context / "Dockerfile").read_text()):
        match keyword:
            case "FROM":
                image, _, name = arguments.partition(" AS ")
                assert image.startswith((f"python:{version(NEWEST)}-", "ghcr.io/astral-sh/uv:"))
                path = f"{python().parent}:/usr/local/bin:/usr/bin:/bin"
                stage = stages[name] = Stage(folder / (name or "last"), {"PATH": path})
                stage.root.mkdir(parents=True)
            case "COPY":
                copy(arguments.split(), stage, stages, context)
            case "RUN":
                run(re.sub(r"--mount=\S+", "", arguments), stage)
            case "ENV":
                for name, value in (pair.split("=", 1) for pair in shlex.split(arguments)):
                    stage.variables[name] = value.replace("$PATH", stage.variables["PATH"])
            case "WORKDIR":
                stage.workdir = arguments
                (stage.root / arguments[1:]).mkdir(exist_ok=True)
            case "USER":
                stage.user = arguments
            case "HEALTHCHECK":
                stage.health = json.loads(arguments.partition("CMD ")[2])
            case "CMD":
                stage.command = json.loads(arguments)
            case other:
                assert other == "EXPOSE", other
    return stages


def copy(arguments: list[str], stage: Stage, stages: dict[str, Stage], context: Path) -> None:
    """COPY from the context, from another stage, or from the image of uv."""
    *sources, to = [argument for argument in arguments if not argument.startswith("--from=")]
    origin = arguments[0].removeprefix("--from=") if "--from=" in arguments[0] else ""
    if origin == "uv":
        assert (sources, to) == (["/uv"], "/bin/")
        (stage.root / UV).mkdir(parents=True)  # /bin is the machine's own
        shutil.copy(find_uv_bin(), stage.root / UV)
        return
    root = stages[origin].root if origin else context
    target = stage.root / str(Path(stage.workdir, to))[1:]
    for source in sources:
        for path in [root] if source == "." else root.glob(source.lstrip("/")):
            if path.is_dir():
                how: dict[str, Any] = {"ignore": dockerignore(context)}
                if origin:  # which no longer changes
                    how = {"copy_function": os.link}
                shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, **how)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


def dockerignore(context: Path) -> Callable[[Any, list[str]], set[str]]:
    """What .dockerignore says, as shutil.copytree wants to hear it."""
    lines = (context / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]

    def ignored(folder: Any, names: list[str]) -> set[str]:
        here = Path(folder).relative_to(context)
        return {
            name
            for name in names
            for pattern in patterns
            if fnmatch(str(here / name), pattern)
            or (pattern.startswith("**/") and fnmatch(name, pattern[3:]))
        }

    return ignored


def run(command: str, stage: Stage) -> None:
    """RUN in a shell as root, with this machine's cache of packages. Raises RuntimeError.

    It compiles no byte code, which would take most of the time.
    """
    cache = subprocess.check_output([find_uv_bin(), "cache", "dir"], text=True).strip()
    options = ["--bind", cache, cache, "--setenv", "UV_CACHE_DIR", cache]
    options += ["--setenv", "UV_COMPILE_BYTECODE", "0"]
    done = subprocess.run(
        [*stage.sandbox(*options, writable=True), "sh", "-c", command],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}")
