"""What a team sets once: the version of the template, its own answers, rendering in a pipeline."""

import json
from pathlib import Path

import pytest

from tests.commands import run
from tests.documents import block, blocks
from tests.git_projects import OURS, cruft, rendered, replace, template_with_history
from tests.rendering import TEMPLATE, command_line, render

ANSWERS = {"project_name": "Chat", "asgi_server": "granian", "ci": "gitlab"}
README = TEMPLATE / "README.md"
OURS_FOLDERS = "cookiecutters_dir: {0}\nreplay_dir: {0}\n"  # in place of those at home


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration file, and with the template, whose version 1.0.0 differs."""

    def older(template: Path) -> None:
        replace(rendered(template, "README.md"), "## Start it, test it", "## Start it")

    folder = tmp_path_factory.mktemp("team")
    (folder / "django-raw-ws.git").mkdir()
    template_with_history(folder / "django-raw-ws.git", older)
    address = block(README, "abbreviations:").replace(
        "https://git.example.com/templates", f"git+{folder.as_uri()}"
    )
    config = block(README, "default_context:") + address + OURS_FOLDERS.format(folder / "clones")
    (folder / "team.yaml").write_text(config)
    return folder


def files(project: Path) -> dict[str, str]:
    """The text of each file by its path, but for what cruft writes."""
    paths = (path for path in project.rglob("*") if path.is_file() and path.name != ".cruft.json")
    return {str(path.relative_to(project)): path.read_text("utf-8") for path in paths}


def test_a_configuration_file_has_the_defaults_and_checkout_the_version(
    folder: Path, tmp_path: Path
) -> None:
    asking, line = [
        code for _, code in blocks(README.read_text("utf-8")) if "--config-file team.yaml" in code
    ]
    assert line.split()[1:] == [*asking.split()[1:], "--no-input", "project_name=Chat"]
    line = (
        line.replace("uvx ", "")
        .replace("gh:org/", "ours:")
        .replace("team.yaml", f"{folder}/team.yaml")
    )
    run(tmp_path, *line.split(), variables=OURS)
    expected = render(tmp_path / "expected", **ANSWERS)
    replace(expected / "README.md", "## Start it, test it", "## Start it")
    assert files(tmp_path / "chat") == files(expected)


def test_cruft_takes_the_same_configuration_file_and_version(folder: Path, tmp_path: Path) -> None:
    options = ("--checkout", "1.0.0", "--config-file", str(folder / "team.yaml"), "--no-input")
    given = ("--extra-context", '{"project_name": "Chat"}')
    cruft(tmp_path, "create", str(folder / "django-raw-ws.git"), *options, *given)
    expected = render(tmp_path / "expected", **ANSWERS)
    replace(expected / "README.md", "## Start it, test it", "## Start it")
    assert files(tmp_path / "chat") == files(expected)
    state = json.loads((tmp_path / "chat/.cruft.json").read_text("utf-8"))
    assert state["checkout"] == "1.0.0"
    assert ANSWERS.items() <= state["context"]["cookiecutter"].items()


def test_a_replay_file_with_the_answers_renders_without_prompts(tmp_path: Path) -> None:
    context = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
    answers = {"project_slug": "chat", "description": "", "test_setup": "unittest"} | ANSWERS
    assert set(answers) == {name for name in context if not name.startswith("_")}
    replay = tmp_path / "answers.json"
    replay.write_text(json.dumps({"cookiecutter": answers}))
    done = command_line(tmp_path, "--replay-file", str(replay))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "chat") == files(render(tmp_path / "expected", **answers))
