"""The READMEs' commands as they stand, on a machine that has nothing but Python and pip."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.git_projects import IDENTITY
from tests.installing import environment, missing
from tests.rendering import TEMPLATE
from tests.serving import free_port, started

COMMAND = re.compile(r"^ +((?:python3 -m pip|git init) .*)$", re.MULTILINE)


@dataclass
class Machine:
    """What a new user's shell has. Packages come from this machine's cache, to be quick."""

    variables: dict[str, str]

    def run(self, folder: Path, line: str) -> str:
        """Type a line, and Enter at each question; return what is printed."""
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            env=self.variables,
            input="\n" * 10,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Debian or Ubuntu, whose own Python refuses to install packages (PEP 668)."""
    cache = subprocess.check_output([find_uv_bin(), "cache", "dir"], text=True).strip()
    home = tmp_path_factory.mktemp("home")
    ours = environment(HOME=str(home), PATH="/usr/bin:/bin", UV_CACHE_DIR=cache)
    machine = Machine(ours | IDENTITY)
    if "externally-managed" not in machine.run(home, "python3 -m pip install --dry-run uv || true"):
        missing("no pip of /usr/bin/python3 that leaves its packages to the system")
    return machine


@pytest.fixture(scope="module")
def rendered(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A project that the README's first command has rendered, and what that says to do next."""
    folder = tmp_path_factory.mktemp("rendered")
    line = commands(TEMPLATE / "README.md")[0].replace("--output-dir ..", f"--output-dir {folder}")
    return folder / "my_service", COMMAND.findall(machine.run(TEMPLATE, line))


def commands(path: Path) -> list[str]:
    """The commands in a README that need nothing but Python, pip and git."""
    return COMMAND.findall(path.read_text("utf-8"))


@pytest.mark.xdist_group("first minute")
def test_what_is_to_be_typed_next_is_what_both_readmes_say(
    rendered: tuple[Path, list[str]],
) -> None:
    project, said = rendered
    assert said == commands(project / "README.md") == commands(TEMPLATE / "README.md")[2:]


@pytest.mark.xdist_group("first minute")
def test_a_system_that_manages_its_python_runs_the_tests_of_both(
    machine: Machine, rendered: tuple[Path, list[str]]
) -> None:
    line = commands(TEMPLATE / "README.md")[1]
    assert line.endswith(" pytest")
    assert machine.run(TEMPLATE, f"{line} --version").splitlines()[-1].startswith("pytest ")
    project, (_, line, first_commit) = rendered
    assert " passed" in machine.run(project, f"{line} tests/test_websocket.py")
    machine.run(project, first_commit)
    assert machine.run(project, "git status --short") == ""
    assert "uv.lock" in machine.run(project, "git ls-files")


@pytest.mark.xdist_group("first minute")
def test_in_an_active_virtual_environment_the_service_starts_and_uv_warns_of_nothing(
    machine: Machine, rendered: tuple[Path, list[str]], tmp_path: Path
) -> None:
    machine.run(tmp_path, "python3 -m venv --without-pip --system-site-packages active")
    active, port, log = tmp_path / "active", free_port(), tmp_path / "log"
    before = sorted(active.rglob("*"))
    project, (line, *_) = rendered
    shell = ["sh", "-c", f". {active}/bin/activate && {line} 127.0.0.1:{port}"]
    with started(shell, port, log, 60, cwd=project, env=machine.variables):
        assert "VIRTUAL_ENV" not in log.read_text()
        assert sorted(active.rglob("*")) == before
