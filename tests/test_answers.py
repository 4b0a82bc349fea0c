"""What becomes of answers, the awkward ones included."""

import ast
import json
import sys
import tomllib
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException  # type: ignore[import-untyped]
from jinja2 import Environment

import template_extension
from tests.rendering import CONTEXT, TEMPLATE, command_line, render

NASTY = 'It\'s "quoted" \\ {{ cookiecutter_is_not_here }} {% no %} 🎉 é \x7f\nand goes on'


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Service", "my_service"),
        ("my-service", "my_service"),
        ("Überdienst", "uberdienst"),
        ("1st", "1st"),
        ("class", "class"),
        ("config", "config"),
        ("a b/c", "a_b_c"),
        ("../x", "x"),
        ('O\'Neil "Q"', "o_neil_q"),
        ("{{ x", "x"),
    ],
)
def test_a_name_becomes_a_folder(name: str, slug: str, tmp_path: Path) -> None:
    project = render(tmp_path, project_name=name)
    assert project.name == slug
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] == slug
    assert (project / "README.md").read_text("utf-8").startswith(f"# {name}\n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("project_name=", "project_name '': give one line of text"),
        ("project_name=two\nlines", "give one line of text"),
        ("project_name=???", "project_slug '': use lower-case letters"),
        ("project_name=django", "project_slug 'django': is taken"),
        ("project_name=uvicorn", "project_slug 'uvicorn': is taken"),
        ("project_slug=pytest_Django", "use lower-case letters"),
        ("project_slug=pytest_django", "is taken"),
        ("project_slug=a b/c", "use lower-case letters"),
        ("project_slug=../x", "use lower-case letters"),
        ("project_slug=/tmp/x", "use lower-case letters"),
        ("project_slug={{ x }}", "use lower-case letters"),
        ("project_slug=x'; import os", "use lower-case letters"),
        ("project_slug=nul", "is taken"),
        ("__python=3.9", "__python '3.9': use 3.11 or later"),
        ("__python=3.14.1", "use 3.11 or later"),
        ("project_slug=" + "x" * 64, "63 at most"),
    ],
)
def test_a_bad_name_is_refused_in_one_line_and_leaves_nothing(
    answer: str, said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "output"
    folder.mkdir()
    refused = command_line(folder, "--no-input", answer)
    assert refused.returncode == 1
    assert said in refused.stdout + refused.stderr
    assert len((refused.stdout + refused.stderr).splitlines()) == 1
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("way", ["--config-file", "--replay-file"])
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("asgi_server", "asgi_server 'GitHub': use uvicorn, granian, hypercorn, daphne\n"),
        ("ci", "ci 'GitHub': use github, gitlab, none\n"),
    ],
)
def test_a_file_with_a_wrong_choice_is_refused_in_one_line_and_leaves_nothing(
    way: str, option: str, said: str, tmp_path: Path
) -> None:
    answers = {"project_name": "X", "project_slug": "x", "description": "", "ci": "none"}
    answers |= {"asgi_server": "daphne", "test_setup": "pytest", option: "GitHub"}
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({"cookiecutter": answers, "default_context": answers}))  # YAML too
    options = ["--no-input", way, str(file)] if way == "--config-file" else [way, str(file)]
    refused = command_line(tmp_path, *options)
    assert (refused.returncode, refused.stdout) == (1, said)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("way", ["command line", "replay file"])
def test_a_description_survives_wherever_it_appears(way: str, tmp_path: Path) -> None:
    folder = tmp_path / "output"
    if way == "replay file":
        answers = {"project_name": "X", "project_slug": "x", "description": NASTY, "ci": "none"}
        answers |= {"asgi_server": "uvicorn", "test_setup": "pytest"}
        private = {key: value for key, value in CONTEXT.items() if key.startswith("_")}
        replay = tmp_path / "replay.json"
        replay.write_text(json.dumps({"cookiecutter": answers | private}))
        done = command_line(folder, f"--replay-file={replay}")
        assert done.returncode == 0, done.stderr
        (project,) = folder.iterdir()
    else:
        project = render(folder, description=NASTY)
    metadata = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    assert metadata["description"] == NASTY
    assert NASTY in (project / "README.md").read_text("utf-8")


def test_an_injected_value_is_not_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    code = f"open({str(marker)!r}, 'w')"
    for value in (f"'''\n{code}\n'''", f"'); {code}; ('", f'"); {code}; ("', "{{ 7 * 191 }}"):
        project = render(tmp_path / f"{hash(value)}", description=value)
        assert value in (project / "README.md").read_text("utf-8")
    assert not marker.exists()


def test_a_project_is_not_overwritten_and_one_line_says_what_to_do_instead(tmp_path: Path) -> None:
    project = render(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for also in ([], ["--skip-if-file-exists", "ci=gitlab"]):
        refused = command_line(tmp_path, "--no-input", "--overwrite-if-exists", *also)
        assert refused.returncode == 1
        (line,) = (refused.stdout + refused.stderr).splitlines()
        assert line.startswith(f"project_slug '{project.name}': is a project already")
        assert "update.py" in line
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_other_tools_that_render_may_name_no_folder_for_the_output() -> None:  # as cruft
    answers = CONTEXT | {"project_slug": "x", "asgi_server": "daphne"}
    answers |= {"test_setup": "pytest", "ci": "none"}
    assert template_extension.checked_folder(answers) == "x"


def test_a_folder_that_is_there_keeps_what_the_user_added(tmp_path: Path) -> None:
    project = tmp_path / "my_service"
    added = [
        project / name for name in (".env", "tests/test_mine.py", ".github/workflows/mine.yml")
    ]
    for path in added:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    done = command_line(tmp_path, "--no-input", "--overwrite-if-exists", "ci=gitlab")
    assert done.returncode == 0
    assert [path.read_text() for path in added] == ["mine"] * 3
    assert not (project / ".github/workflows/ci.yml").exists()


def test_an_older_python_is_told_which_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    ast.parse((TEMPLATE / "template_extension.py").read_text(), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 10))
    with pytest.raises(FailedHookException, match=r"needs Python 3.11 or later"):
        template_extension.TemplateExtension(Environment())
