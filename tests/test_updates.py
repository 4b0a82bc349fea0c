"""A project that follows the template: cruft brings a later version into one with changes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import run
from tests.git_projects import (
    OURS,
    commit,
    cruft,
    git,
    rendered,
    replace,
    template_with_history,
)
from tests.installing import NEWEST, Installed, interpreter
from tests.rendering import render


def older(template: Path) -> None:
    """Make of today's template an older one, in which much is otherwise or missing."""
    replace(rendered(template, "realtime/lifespan.py"), "import logging", "import logging  # older")
    replace(rendered(template, "README.md"), "## Start it, test it", "## Start it")
    replace(rendered(template, ".env.example"), "MAX_CONNECTIONS", "MAX_CLIENTS")
    replace(rendered(template, "pyproject.toml"), "environs[django]>=15", "environs[django]>=14")
    replace(rendered(template, "pyproject.toml"), "|escape_toml", "")
    rendered(template, "tests/test_websocket.py").unlink()
    rendered(template, "realtime/gone.py").write_text('"""Not in the later version."""\n')
    replace(template / "template_extension.py", ', "escape_toml": escape_toml', "")
    replace(template / "cookiecutter.json", "uvicorn[standard]>=0.54", "uvicorn[standard]>=0.53")


def edit(project: Path) -> None:
    """Make the changes of a user."""
    route = 'path("ws/", ping_pong),'
    replace(project / "config/urls.py", route, f'{route}\n    path("mine/", ping_pong),')
    replace(project / "README.md", "A Django service that", "Our Django service that")
    replace(project / "pyproject.toml", 'version = "0.1.0"', 'version = "3.2.1"')
    replace(project / ".env", "DEBUG=true", "DEBUG=true  # mine")
    (project / ".pre-commit-config.yaml").unlink()
    (project / "config/mine.py").write_text('"""A file of the user\'s own."""\n')


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a repository with two versions, of which the second is today's."""
    return template_with_history(tmp_path_factory.mktemp("template"), older)


@pytest.fixture
def create(template: Path, tmp_path: Path) -> Callable[[], Path]:
    """Return a function that renders version 1.0.0 by cruft, and commits it."""

    def create() -> Path:
        arguments = ("--no-input", "--default-config", "--checkout", "1.0.0")
        cruft(tmp_path, "create", str(template), *arguments)
        commit(tmp_path / "my_service", "rendered")
        return tmp_path / "my_service"

    return create


def files(project: Path) -> dict[str, bytes]:
    """What is in each file by its path, but for what is not the template's."""
    paths = {path.relative_to(project).as_posix(): path for path in project.rglob("*")}
    ours = (path for path in paths if not path.startswith((".git/", ".cruft.json")))
    return {path: paths[path].read_bytes() for path in ours if paths[path].is_file()}


def test_an_update_keeps_the_changes_of_both_sides(
    create: Callable[[], Path], tmp_path: Path
) -> None:
    project = create()
    edit(project)
    commit(project, "edited")
    environment = (project / ".env").read_text()
    cruft(project, "check", "--checkout", "2.0.0", status=1)
    cruft(project, "update", "--checkout", "2.0.0", "--skip-apply-ask")
    cruft(project, "check", "--checkout", "2.0.0")

    expected = render(tmp_path / "expected")
    edit(expected)
    (expected / ".env").write_text(environment)
    assert files(project) == files(expected)
    assert "passed" in Installed(project, interpreter(NEWEST)).run("pytest")


def test_where_both_sides_changed_a_line_git_marks_the_conflict(
    create: Callable[[], Path],
) -> None:
    project = create()
    replace(project / "README.md", "## Start it", "## Begin")
    commit(project, "edited")
    cruft(project, "update", "--skip-apply-ask")
    assert "UU README.md" in git(project, "status", "--short").splitlines()
    text = (project / "README.md").read_text("utf-8")
    assert "<<<<<<< ours\n## Begin\n=======\n## Start it, test it\n>>>>>>> theirs\n" in text


def test_a_project_that_cookiecutter_rendered_is_linked_later_and_gets_other_answers(
    template: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"{{cookiecutters_dir: {tmp_path}/clones, replay_dir: {tmp_path}/clones}}")
    command = ("cookiecutter", f"git+{template.as_uri()}", "--config-file", str(config))
    options = ("--no-input", "--checkout", "1.0.0", "project_name=Later")
    run(tmp_path, *command, *options, variables=OURS)
    project = tmp_path / "later"
    given = ("--no-input", "--default-config", "--extra-context", '{"project_name": "Later"}')
    cruft(project, "link", str(template), "--checkout", "1.0.0", *given)
    commit(project, "rendered and linked")
    answers = {"asgi_server": "daphne", "test_setup": "unittest", "ci": "gitlab"}
    cruft(project, "update", "-y", "--variables-to-update", json.dumps(answers))
    expected = render(tmp_path / "expected", project_name="Later", **answers)
    (expected / ".env").write_text((project / ".env").read_text())
    assert files(project) == files(expected)
