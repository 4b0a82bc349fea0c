"""The rooms of the machinery: which imports which, how deep, and how many there are."""

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rendering import SERVERS, render

CONTRACTS = """
[importlinter]
root_packages =
    realtime
    config
include_external_packages = False
exclude_type_checking_imports = True

[importlinter:contract:direction]
name = The machinery knows nothing of the service
type = forbidden
source_modules = realtime
forbidden_modules = config

[importlinter:contract:rooms]
name = Imports between the rooms run one way
type = layers
containers = realtime
exhaustive = True
exhaustive_ignores =
    apps
    checks
    management
    proxy
    tests
layers =
    testing
    asgi | lifespan
    logins | health
    closing | debugging | metrics | presence
    broadcast
    channels
    tickets
    handshake | outbox | resuming | backends | database | messages
    limits
    connections
    server | sockets
    types | wrappers | logs
"""


@pytest.fixture(scope="module", params=SERVERS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on each server."""
    return render(tmp_path_factory.mktemp(request.param), asgi_server=request.param)


def lint(project: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts in the project."""
    (project / "contracts.ini").write_text(CONTRACTS)
    return subprocess.run(
        ["lint-imports", "--no-cache", "contracts.ini"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_imports_run_one_way(project: Path) -> None:
    done = lint(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 2 kept, 0 broken." in done.stdout


@pytest.mark.parametrize("wrong", ["from realtime import closing", "import config.environment"])
def test_an_import_against_the_order_is_found(wrong: str, tmp_path: Path) -> None:
    project = render(tmp_path)
    with (project / "realtime/connections.py").open("a") as file:
        file.write(f"{wrong}\n")
    assert "1 broken" in lint(project).stdout


def modules(project: Path) -> dict[str, Path]:
    """The files of the machinery by the names of their modules, its tests aside."""
    paths = (path.relative_to(project) for path in (project / "realtime").rglob("*.py"))
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    return {n: path for n, path in names.items() if not n.startswith("realtime.tests")}


def imported(source: str) -> Iterator[str]:
    """The names of the modules that a module imports, and of what it takes from them."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Import(names=names):
                yield from (alias.name for alias in names)


def test_its_rooms_are_few_and_not_deep(project: Path) -> None:
    files = modules(project)
    sources = {name: (project / path).read_text("utf-8") for name, path in files.items()}
    edges = {name: {i for i in imported(s) if i in files} for name, s in sources.items()}

    def floors(name: str) -> int:
        return 1 + max((floors(other) for other in edges[name] - {name, "realtime"}), default=0)

    assert max(map(floors, files)) <= 8
    assert len([path for path in files.values() if path.name != "__init__.py"]) <= 32
