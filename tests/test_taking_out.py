"""What realtime/README.md says can be taken out: each part is taken out, and the rest is run."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installing import Installed
from tests.rendering import FOLDER, TEMPLATE

HEAD = "| part | what it is for | lines | delete |"


@dataclass
class Part:
    """A row of the table."""

    name: str
    lines: int
    items: list[str]


def parts() -> Iterator[Part]:
    """The rows of the table."""
    text = (TEMPLATE / FOLDER / "realtime/README.md").read_text("utf-8")
    for row in text.split(HEAD)[1].strip().splitlines()[1:]:
        name, _, lines, delete = (cell.strip() for cell in row.strip("|").split("|"))
        yield Part(name.strip("`"), int(lines), re.findall(r"`([^`]+)`", delete))


def without_definition(text: str, name: str) -> str:
    """The module without a function or class, its decorators included."""
    (node,) = (node for node in ast.parse(text).body if getattr(node, "name", "") == name)
    decorators = getattr(node, "decorator_list", [])
    begin, end = min(each.lineno for each in (node, *decorators)), node.end_lineno
    lines = text.splitlines(keepends=True)
    return "".join(lines[: begin - 1] + lines[end:])


def take_out(project: Path, item: str) -> int:
    """Delete what an item names; return how many lines of code that are not blank are gone."""
    path, kind, what = re.fullmatch(r"([^:]+)(::|: |)(.*)", item).groups()  # type: ignore[union-attr]
    files = sorted((project / path).rglob("*")) if (project / path).is_dir() else [project / path]
    before = {file: file.read_text("utf-8") for file in files if file.is_file()}
    assert before, item
    if kind == "::":
        (project / path).write_text(without_definition(before[project / path], what), "utf-8")
    elif kind == ": ":
        kept = [line for line in before[project / path].splitlines() if what not in line]
        assert len(kept) < len(before[project / path].splitlines()), item
        (project / path).write_text("\n".join(kept) + "\n", "utf-8")
    elif (project / path).is_dir():
        shutil.rmtree(project / path)
    else:
        (project / path).unlink()
    after = {file: file.read_text("utf-8") if file.exists() else "" for file in before}
    return sum(code_lines(file, before[file]) - code_lines(file, after[file]) for file in before)


def code_lines(file: Path, text: str) -> int:
    """The lines that are not blank, if it is code and no test."""
    tests = {"tests", "tests.py"} & set(file.parts)
    counts = file.suffix in {".py", ".js", ".html", ".css"} and not tests
    return sum(bool(line.strip()) for line in text.splitlines()) if counts else 0


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(part, id=part.name, marks=pytest.mark.xdist_group(f"taking out {number % 2}"))
        for number, part in enumerate(parts())
    ],
)
def test_what_is_left_runs(
    part: Part, installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    rest = installed("uvicorn", "pytest").copied(tmp_path / "project", "__pycache__")
    gone = sum(take_out(rest.project, item) for item in part.items)
    assert gone == part.lines, f"the table says {part.lines} lines"
    rest.run("ruff", "check", "--fix", "--select", "F401,I", "--quiet", ".")
    rest.run("mypy", ".")
    rest.run("manage.py", "check", DEBUG="true")
    assert "passed" in rest.run("pytest", "-q")
