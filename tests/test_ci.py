"""What the rendered CI files say, and that their commands pass here."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.containers import CHECK
from tests.installing import NEWEST, OLDEST, Installed, environment, interpreter
from tests.rendering import TEMPLATE, render
from tests.services import own_redis, postgres
from tests.serving import free_port, kill

GITHUB, GITLAB = ".github/workflows/ci.yml", ".gitlab-ci.yml"
SCHEMAS = {
    GITHUB: ["vendor.github-workflows"],
    ".github/dependabot.yml": ["vendor.dependabot"],
    GITLAB: ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}
REPLACED = {
    r"uv run pre-commit .*": "true",  # test_generated.py runs it, in a repository
    r"uv run pytest": r"\g<0> --reuse-db",
    r"uv run manage.py test": r"\g<0> --keepdb",
}
NAME = f"ci_{os.getpid()}"
SQL = """
import psycopg, sys
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    for statement in sys.argv[2:]:
        cursor = connection.execute(statement)
        for row in cursor if cursor.description else []:
            print(*row)
"""
MADE = f"SELECT datname FROM pg_database WHERE datname IN ('{NAME}', 'test_{NAME}') ORDER BY 1"


def conforms(path: Path, schema: list[str]) -> None:
    """Check a file by a schema that check-jsonschema has with it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_its_files_conform_to_their_published_schemas(ci: str, tmp_path: Path) -> None:
    project = render(tmp_path, ci=ci)
    found = [path for path in SCHEMAS if (project / path).exists()]
    assert found
    for path in found:
        conforms(project / path, SCHEMAS[path])


def test_so_do_those_of_the_template() -> None:
    for path in (TEMPLATE / ".github/workflows").iterdir():
        conforms(path, SCHEMAS[GITHUB])
    conforms(TEMPLATE / ".github/dependabot.yml", SCHEMAS[".github/dependabot.yml"])


def test_linters_find_nothing_in_its_workflows_and_in_those_of_the_template(
    tmp_path: Path,
) -> None:
    for project in (TEMPLATE, render(tmp_path)):
        workflows = map(str, (project / ".github/workflows").iterdir())
        for command in (["zizmor", "--offline", ".github"], ["actionlint", *workflows]):
            done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr


def test_every_action_is_pinned_to_a_commit_and_everywhere_to_the_same(tmp_path: Path) -> None:
    pinned: dict[str, str] = {}
    for project in (TEMPLATE, render(tmp_path)):
        for path in (project / ".github/workflows").iterdir():
            for action, commit in re.findall(r"uses: ([^@\n]+)(.*)", path.read_text()):
                assert re.fullmatch(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+", commit), action
                assert pinned.setdefault(action, commit) == commit, action
    assert "actions/checkout" in pinned


def test_all_run_for_an_hour_at_most_and_once_for_a_change_and_ours_each_week_too(
    tmp_path: Path,
) -> None:
    for path in [*(TEMPLATE / ".github/workflows").iterdir(), render(tmp_path) / GITHUB]:
        workflow = yaml.safe_load(path.read_text())
        assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
        if "pull_request" in workflow[True]:  # YAML's "on"
            assert "main" in workflow[True]["push"]["branches"]
            assert "pull_request" in workflow["concurrency"]["cancel-in-progress"]
    assert yaml.safe_load((TEMPLATE / GITHUB).read_text())[True]["schedule"]
    gitlab = yaml.safe_load((render(tmp_path / "gitlab", ci="gitlab") / GITLAB).read_text())
    assert gitlab["default"] == {"interruptible": True, "timeout": "20 minutes"}
    assert len(gitlab["workflow"]["rules"]) == 2


def test_both_have_the_same_versions_and_build_the_image_alike(tmp_path: Path) -> None:
    github, gitlab = (render(tmp_path / ci, ci=ci) for ci in ("github", "gitlab"))
    (uv,) = re.findall(r"uv:([\d.]+) ", (github / "Dockerfile").read_text())
    jobs = yaml.safe_load((github / GITHUB).read_text())["jobs"]
    theirs = yaml.safe_load((gitlab / GITLAB).read_text())
    (setup,) = [step for step in jobs["test"]["steps"] if "setup-uv" in step.get("uses", "")]
    assert setup["with"]["version"] == f"{uv}.x"
    assert theirs["test"]["image"].startswith(f"ghcr.io/astral-sh/uv:{uv}-python")
    images = [service["image"] for service in jobs["test"]["services"].values()]
    assert images == theirs["test"]["services"]
    commands = [step["run"] for step in jobs["container"]["steps"] if "run" in step]
    assert commands == theirs["container"]["script"]
    assert commands[-1].endswith(f" service {' '.join(CHECK)}")  # which test_containers.py runs


def test_one_python_is_that_of_development_of_the_image_and_of_a_job_beside_both_ends(
    tmp_path: Path,
) -> None:
    for ci, place in (("github", "strategy"), ("gitlab", "parallel")):
        project = render(tmp_path / ci, ci=ci, __python="3.12")
        assert (project / ".python-version").read_text() == "3.12\n"
        images = re.findall(r"FROM python:(\S+)", (project / "Dockerfile").read_text())
        assert images == ["3.12-slim"] * 2
        matrix = str(job(project)[place]["matrix"])
        assert re.findall(r"3\.\d+", matrix) == [*OLDEST, "3.12", NEWEST[0]]
    here = "{}.{}".format(*sys.version_info)
    assert (render(tmp_path / "here") / ".python-version").read_text() == f"{here}\n"


def job(project: Path) -> dict[str, Any]:
    """The job that tests, of either CI."""
    if (project / GITLAB).exists():
        found: dict[str, Any] = yaml.safe_load((project / GITLAB).read_text())["test"]
        return found
    found = yaml.safe_load((project / GITHUB).read_text())["jobs"]["test"]
    return found


def scripts(project: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The shell scripts of the job, each with its variables."""
    test = job(project)
    if "script" in test:
        yield "\n".join(test["script"]), test["variables"]
    for step in test.get("steps", []):
        if "run" in step:
            yield step["run"], test["env"] | step.get("env", {})


def run_here(script: str, port: int, project: Path, variables: dict[str, str]) -> None:
    """Run a script as the CI does, but its server on this port, and end what it leaves running."""
    for theirs, ours in REPLACED.items():
        script = re.sub(theirs, ours, script)
    script = re.sub(r"\b8000\b", str(port), script)
    log = project.parent / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["bash", "-e", "-x", "-o", "pipefail", "-c", script],
            cwd=project,
            env=environment(**variables),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            status = process.wait(300)
        finally:
            kill(process)
    assert status == 0, log.read_text()


@contextmanager
def own_database(sql: Callable[..., str]) -> Iterator[str]:
    """The URL of a database that is there until the block ends."""
    sql(f"CREATE DATABASE {NAME}")
    try:
        yield urlsplit(postgres())._replace(path=f"/{NAME}").geturl()
    finally:
        for name in (NAME, f"test_{NAME}"):
            sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("ci", "setup", "versions"),
    [("github", "pytest", OLDEST), ("gitlab", "unittest", NEWEST)],
    ids=["github", "gitlab"],
)
def test_its_commands_pass_with_redis_and_postgresql(
    ci: str, setup: str, versions: tuple[str, ...], tmp_path: Path
) -> None:
    project = Installed(render(tmp_path, ci=ci, test_setup=setup), interpreter(versions))
    (project.project / ".env").unlink()  # which no clone has
    sql = partial(project.run, "python", "-c", SQL, postgres())
    with own_redis(tmp_path) as redis, own_database(sql) as database:
        ours = {"UV_PYTHON": project.python, "DATABASE_URL": database, "REDIS_URL": redis.url}
        port = free_port()
        for script, theirs in scripts(project.project):
            assert {"DATABASE_URL", "REDIS_URL"} <= set(theirs)
            theirs.pop("UV_CACHE_DIR", None)
            run_here(script, port, project.project, theirs | ours | {"CI": "true"})
        assert sql(MADE).split()[-2:] == [NAME, f"test_{NAME}"]
