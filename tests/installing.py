"""Installs rendered projects, each in an environment of its own, at either end of the versions."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.rendering import SERVERS, TEST_SETUPS

OLDEST, NEWEST = ("3.11",), ("3.14", "3.13", "3.12")  # of each the first that is there
# Half of the combinations run at one end, half at the other, and each server and setup at both.
ENDS = {
    (server, setup): (OLDEST, NEWEST)[(i + j) % 2]
    for i, server in enumerate(SERVERS)
    for j, setup in enumerate(TEST_SETUPS)
}


def parameter(server: str, setup: str, of: str = "") -> Any:
    """A combination as a parameter; all tests of one share a process, and so its installation.

    Those `of` something that takes long share another.
    """
    name = f"{server}-{setup}"
    return pytest.param((server, setup), marks=pytest.mark.xdist_group(name + of), id=name)


def environment(**variables: str) -> dict[str, str]:
    """This process's environment, without what would change the project's own."""
    ours = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "DJANGO_SETTINGS_MODULE"}
    return {k: v for k, v in os.environ.items() if k not in ours} | variables


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it on CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def program(name: str) -> str:
    """The path of a program; some of Debian's are in /usr/sbin, which not every PATH has."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or missing(f"no {name}")


def apart(*options: str) -> list[str]:
    """The beginning of a command line that runs a command in a network of its own."""
    command = ["unshare", "--user", "--map-root-user", "--net", *options]
    if not shutil.which("ip") or subprocess.run([*command, "true"], capture_output=True).returncode:
        missing("no network namespaces: they take `ip` and `unshare --user --net`")
    return command


@cache
def interpreter(versions: tuple[str, ...]) -> str:
    """The path of a Python of one of the versions. Skips the test, or on CI fails it, without."""
    for version in versions:
        command = ["uv", "python", "find", "--no-project", "--no-python-downloads", version]
        found = subprocess.run(command, capture_output=True, text=True, env=environment())
        if found.returncode == 0:
            return found.stdout.strip()
    missing(f"no Python {' or '.join(versions)} on PATH")


def version(versions: tuple[str, ...]) -> str:
    """The version of `interpreter(versions)`, as in 3.13."""
    command = [interpreter(versions), "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    return subprocess.check_output(command, text=True, env=environment()).strip()


@dataclass
class Installed:
    """A rendered project and its environment."""

    project: Path
    python: str

    @property
    def program(self) -> str:
        """The path of the environment's Python, once a command has made it."""
        return str(self.project / ".venv/bin/python")

    def command(self, *arguments: str) -> list[str]:
        """The command that runs the arguments in the environment, as README.md says it."""
        return ["uv", "run", "--python", self.python, *arguments]

    def copied(self, folder: Path, *without: str) -> "Installed":
        """A copy of the project for a test to change, which shares the environment.

        Files of the patterns `without` are left out.
        """
        self.run("true")  # makes the environment
        ignored = shutil.ignore_patterns(".venv", ".git", *without)
        shutil.copytree(self.project, folder, ignore=ignored)
        (folder / ".venv").symlink_to(self.project / ".venv")
        return Installed(folder, self.python)

    def run(self, *arguments: str, **variables: str) -> str:
        """Run the arguments there and return what they print."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.project,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout
