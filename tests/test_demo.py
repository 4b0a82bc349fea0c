"""The change of the output that a change of the template makes."""

import sys
from pathlib import Path

import pytest

from tests.commands import run
from tests.documents import TOOLS, block
from tests.git_projects import OURS, git, rendered, replace, template_with_history
from tests.rendering import TEMPLATE

CHANGED = sorted(
    [
        *(
            f"{choices}/my_service/README.md"
            for choices in ("daphne", "granian-unittest-gitlab", "hypercorn-none")
        ),
        "granian-unittest-gitlab/my_service/realtime/server.py",
        "uvicorn-pytest-github/my_service/README.md",
    ]
)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The template, whose version 1.0.0 differs in a common file and in one of granian's."""

    def older(template: Path) -> None:
        replace(rendered(template, "README.md"), "## Start it, test it", "## Start it")
        path = rendered(template, "variants/granian/realtime/server.py")
        path.write_text(f"# older\n{path.read_text('utf-8')}", "utf-8")

    return template_with_history(tmp_path, older)


def demo(template: Path, *arguments: str) -> list[str]:
    """Run the command there, and return the lines that it prints."""
    command = (sys.executable, "-m", "tools.demo", *arguments)
    return run(template, *command, variables=OURS).splitlines()


def test_it_shows_each_change_of_the_output_once(template: Path) -> None:
    git(template, "branch", "--force", "main", "1.0.0")
    git(template, "checkout", "--quiet", "1.1.0")
    line = block(TEMPLATE / "CONTRIBUTING.md", f"{TOOLS}python -m tools.demo")
    lines = run(template, "sh", "-c", line, variables=OURS).splitlines()
    assert [line for line in lines if line.startswith("diff ")] == [
        *(f"diff --git a/{path} b/{path}" for path in CHANGED)
    ]
    assert "+## Start it, test it" in lines
    assert lines.count("-# older") == 1


def test_it_adds_the_output_to_a_branch_when_it_has_changed(template: Path) -> None:
    for version in ("1.0.0", "1.1.0"):
        git(template, "checkout", "--quiet", version)
        demo(template)
    assert demo(template)[-1] == "The output has not changed."
    assert git(template, "log", "--format=%s", "demo").splitlines() == ["1.1.0", "1.0.0"]
    assert git(template, "diff", "--name-only", "demo^", "demo").splitlines() == CHANGED
    assert git(template, "status", "--short") == ""
