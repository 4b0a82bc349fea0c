"""What a team sets once: the version of the template, its own answers, rendering in a pipeline."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.commands import run
from tests.documents import block, blocks
from tests.git_projects import OURS, rendered, replace, template_with_history
from tests.rendering import TEMPLATE, render

ANSWERS = {"project_name": "Chat", "asgi_server": "granian", "ci": "gitlab"}
RECORD = ".template.json"
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
    """The text of each file by its path, but for the one with the version."""
    paths = (path for path in project.rglob("*") if path.is_file() and path.name != RECORD)
    return {str(path.relative_to(project)): path.read_text("utf-8") for path in paths}


def test_a_pipeline_renders_a_version_with_the_answers_of_a_team_as_often_as_it_likes(
    folder: Path, tmp_path: Path
) -> None:
    asking, line = [
        code for _, code in blocks(README.read_text("utf-8")) if "--config-file team.yaml" in code
    ]
    assert line.split()[1:] == [*asking.split()[1:], "--no-input", "project_name=Chat"]
    ours = line.replace("uvx ", "").replace("gh:org/", "ours:")
    command = ours.replace("team.yaml", f"{folder}/team.yaml").split()
    run(tmp_path, *command, variables=OURS)
    shutil.rmtree(tmp_path / "chat")
    run(tmp_path, *command, variables=OURS)
    expected = render(tmp_path / "expected", **ANSWERS)
    replace(expected / "README.md", "## Start it, test it", "## Start it")
    assert files(tmp_path / "chat") == files(expected)
    record = json.loads((tmp_path / "chat" / RECORD).read_text("utf-8"))
    assert record["version"] == "1.0.0"
    assert ANSWERS.items() <= record["answers"].items()


def test_the_oldest_cookiecutter_of_the_readme_renders_the_same(tmp_path: Path) -> None:
    said = re.search(r"Cookiecutter has to be (\S+) or later", (TEMPLATE / "README.md").read_text())
    assert said
    assert f'"cookiecutter>={said[1]}"' in (TEMPLATE / "update.py").read_text()
    command = ("uvx", "--python", sys.executable, "--from", f"cookiecutter=={said[1]}")
    options = ("--no-input", "--default-config", "--output-dir", str(tmp_path))
    run(tmp_path, *command, "cookiecutter", str(TEMPLATE), *options)
    assert files(tmp_path / "my_service") == files(render(tmp_path / "expected"))
