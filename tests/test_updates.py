"""A project that follows the template: update.py brings a later version into one with changes."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import run
from tests.git_projects import IDENTITY, OURS, commit, git, rendered, replace, template_with_history
from tests.installing import NEWEST, Installed, interpreter
from tests.rendering import TEMPLATE, render

README = (TEMPLATE / "README.md").read_text("utf-8")
RECORD = ".template.json"
ADDRESS = "https://github.com/org/"


def older(template: Path) -> None:
    """Make of today's template an older one, in which much is otherwise or missing."""
    replace(rendered(template, "realtime/lifespan.py"), "import logging", "import logging  # older")
    replace(rendered(template, "README.md"), "## Start it, test it", "## Start it")
    replace(rendered(template, ".env.example"), "MAX_CONNECTIONS=", "MAX_CLIENTS=")
    replace(rendered(template, "pyproject.toml"), "environs[django]>=15", "environs[django]>=14")
    replace(rendered(template, "pyproject.toml"), "|escape_toml", "")
    rendered(template, "tests/test_websocket.py").unlink()
    rendered(template, "realtime/gone.py").write_text('"""Not in the later version."""\n')
    replace(template / "template_extension.py", ", record, escape_toml", ", record")
    replace(template / "cookiecutter.json", "uvicorn[standard]>=0.54", "uvicorn[standard]>=0.53")


def edit(project: Path) -> None:
    """Make the changes of a user."""
    route = 'path("ws/", ping_pong),'
    replace(project / "config/urls.py", route, f'{route}\n    path("mine/", ping_pong),')
    replace(project / "README.md", "It speaks HTTP and", "Ours speaks HTTP and")
    replace(project / "pyproject.toml", 'version = "0.1.0"', 'version = "3.2.1"')
    replace(project / ".env", "DEBUG=true", "DEBUG=true  # mine")
    (project / ".pre-commit-config.yaml").unlink()
    (project / "config/mine.py").write_text('"""A file of the user\'s own."""\n')


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a user whose Git finds the template's address here, in two versions."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "org/django-raw-ws").mkdir(parents=True)
    template_with_history(folder / "org/django-raw-ws", older)
    config = folder / "gitconfig"
    config.write_text(f'[url "{(folder / "org").as_uri()}/"]\ninsteadOf = {ADDRESS}\n')
    return IDENTITY | {"GIT_CONFIG_GLOBAL": str(config)}


@pytest.fixture
def project(home: dict[str, str], tmp_path: Path) -> Path:
    """A project that was rendered from version 1.0.0, and committed."""
    config = tmp_path / "config.yaml"
    config.write_text(f"{{cookiecutters_dir: {tmp_path}/clones, replay_dir: {tmp_path}/clones}}")
    command = ("cookiecutter", f"{ADDRESS}django-raw-ws", "--checkout", "1.0.0", "--no-input")
    run(tmp_path, *command, "--config-file", str(config), variables=home)
    commit(tmp_path / "my_service", "as rendered")
    return tmp_path / "my_service"


@pytest.fixture
def clone(home: dict[str, str], tmp_path: Path) -> Path:
    """A clone of the template at its latest version."""
    run(tmp_path, "git", "clone", "--quiet", f"{ADDRESS}django-raw-ws", variables=home)
    return tmp_path / "django-raw-ws"


def found(pattern: str) -> str:
    """What the README says to type there."""
    match = re.search(pattern, README)
    assert match, pattern
    return match[1]


def typed(folder: Path, lines: str, variables: dict[str, str]) -> tuple[int, str]:
    """Type the lines into a terminal; return the status of the first that fails, and the output."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        ["timeout", "60", "sh", "-e", "-c", lines],
        cwd=folder,
        env=os.environ | variables,
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    )
    os.close(end)
    output = b""
    try:
        while some := os.read(terminal, 4096):
            output += some
    except OSError:  # nobody writes any more
        pass
    os.close(terminal)
    return process.wait(10), output.decode()


def updated(clone: Path, project: Path, *others: str, status: int = 0) -> str:
    """Run the clone's update.py in the project; return the last line of what it prints."""
    command = [sys.executable, str(clone / "update.py"), *others]
    variables = os.environ | OURS
    done = subprocess.run(
        command, cwd=project, env=variables, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status, done.stdout + done.stderr
    return (done.stdout + done.stderr).splitlines()[-1]


def files(project: Path) -> dict[str, bytes]:
    """What is in each file by its path, but for what is not the template's."""
    paths = {path.relative_to(project).as_posix(): path for path in project.rglob("*")}
    ours = (path for path in paths if not path.startswith((".git/", RECORD)))
    return {path: paths[path].read_bytes() for path in ours if paths[path].is_file()}


COMMANDS = found(r"with everything committed:\n\n((?: {4}.*\n)+)")


def test_the_readmes_commands_keep_the_changes_of_both_sides(
    project: Path, home: dict[str, str], tmp_path: Path
) -> None:
    edit(project)
    commit(project, "edited")
    environment = (project / ".env").read_text()
    check = found(r"that the team wants:\n\n {4}(.*)\n")
    assert typed(project, check, home)[0] == 1
    status, output = typed(project, COMMANDS, home)
    assert (status, output.splitlines()[-1]) == (
        0,
        "1.0.0 -> 1.1.0: see `git diff --staged`, run the tests, and commit.",
    ), output
    assert typed(project, check, home)[0] == 0

    expected = render(tmp_path / "expected")
    edit(expected)
    (expected / ".env").write_text(environment)
    assert files(project) == files(expected)
    assert "passed" in Installed(project, interpreter(NEWEST)).run("pytest", "tests")


def test_in_any_clone_a_conflict_is_marked_and_fails_and_git_commits_nothing_until_it_is_mended(
    project: Path, clone: Path, home: dict[str, str], tmp_path: Path
) -> None:
    replace(project / "README.md", "## Start it", "## Begin")
    git(project, "rm", "--quiet", ".env.example")
    git(project, "commit", "--quiet", "--all", "--message", "edited")
    other = tmp_path / "colleague"
    git(tmp_path, "clone", "--quiet", "--no-local", str(project), str(other))
    _, *lines = COMMANDS.splitlines(keepends=True)
    status, output = typed(other, "".join([found(r"`(git -C \S+ fetch \S+)`"), "\n", *lines]), home)
    assert status == 1
    assert "CONFLICT (content): Merge conflict in README.md" in output
    assert {"UU README.md", "DU .env.example"} <= {*git(other, "status", "--short").splitlines()}
    text = (other / "README.md").read_text("utf-8")
    assert "<<<<<<< HEAD\n## Begin\n=======\n## Start it, test it\n>>>>>>> " in text
    assert typed(other, "git commit --message updated", home)[0] == 128

    (other / "README.md").write_text(re.sub(r"<{7}.*\n|={7}\n(.*\n)*?>{7}.*\n", "", text))
    git(other, "add", "README.md")
    git(other, "rm", "--quiet", ".env.example")
    git(other, "commit", "--quiet", "--message", "updated")
    assert updated(clone, other).startswith("1.1.0 -> 1.1.0: ")
    assert git(other, "status", "--short") == ""


def test_a_project_within_a_repository_gets_other_answers(
    project: Path, clone: Path, tmp_path: Path
) -> None:
    shutil.rmtree(project / ".git")
    place, sibling = (tmp_path / "repository/services" / name for name in ("chat", "desk"))
    for copy in (place, sibling):
        shutil.copytree(project, copy)
    (place / "realtime/proxy.py").unlink()  # which the other has: Git may take that for a move
    commit(tmp_path / "repository", "as rendered")
    answers = {"asgi_server": "daphne", "test_setup": "unittest", "ci": "gitlab"}
    answers["description"] = '{{ It\'s }} "new".'
    others = [f"{name}={answer}" for name, answer in answers.items()]
    updated(clone, place, *others)
    expected = render(tmp_path / "expected", **answers)
    (expected / ".env").write_text((place / ".env").read_text())
    (expected / "realtime/proxy.py").unlink()
    assert files(sibling) == files(project)
    assert files(place) == files(expected)
    record = json.loads((place / RECORD).read_text("utf-8"))
    assert (record["version"], record["answers"]["ci"]) == ("1.1.0", "gitlab")


def test_what_cannot_be_updated_is_said_in_a_line_and_stays_as_it_is(
    project: Path, clone: Path, tmp_path: Path
) -> None:
    assert "run this in the folder of a project" in updated(clone, tmp_path, status=1)
    assert "'github', 'gitlab', 'none'" in updated(clone, project, "ci=GitHub", status=1)
    for wrong in ("asgi_server", "asgiserver=granian"):
        said = f"No answer is given by {wrong!r}: use one of "
        assert updated(clone, project, wrong, status=1).startswith(said)
    new = project / "tests/test_websocket.py"
    new.write_text("mine")
    (project / ".git/info/exclude").write_text(new.name)
    assert "tests/test_websocket.py would be overwritten" in updated(clone, project, status=1)
    assert new.read_text() == "mine"
    replace(project / RECORD, "1.0.0", "0.9.0")
    assert updated(clone, project, status=1) == "There are changes: commit them first."
    git(project, "commit", "--quiet", "--all", "--message", "edited")
    said = f"{clone} has no version '0.9.0': fetch its tags, or correct {RECORD}."
    assert updated(clone, project, status=1) == said
    assert git(project, "status", "--short") == ""
    shutil.rmtree(project / ".git")
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text(project.name)
    before = files(project)
    assert updated(clone, project, status=1).startswith("The project is not in Git")
    assert files(project) == before
