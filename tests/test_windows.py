"""What a user of Windows needs: paths that it allows and LF in every file."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git_projects import commit, git
from tests.rendering import CONTEXT, FOLDER, TEMPLATE, render

LONGEST = 150  # of the 260 characters that Windows allows by default, the folder's included


@pytest.fixture(scope="module")
def paths() -> list[str]:
    """The paths of the template's files, and so of the rendered ones."""
    listed = git(TEMPLATE, "ls-files", "-co", "--exclude-standard", "-z").split("\0")
    return [path for path in listed if path]


def parts(paths: list[str]) -> Iterator[str]:
    """Each name of a file or folder on the paths."""
    for path in paths:
        yield from path.split("/")


def test_windows_allows_every_path(paths: list[str]) -> None:
    for name in parts(paths):
        assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', name), name
        assert name.split(".")[0].lower() not in CONTEXT["_taken_by_windows"], name
    assert len({path.lower() for path in paths}) == len(paths)


def test_no_path_is_too_long_with_the_longest_name_of_a_project(paths: list[str]) -> None:
    for path in paths:
        rendered = path.removeprefix(f"{FOLDER}/").replace("variants/", "")
        assert len(path) <= LONGEST
        assert len("x" * 63 + "/" + rendered) <= LONGEST


def test_git_writes_lf_even_where_it_is_set_to_write_crlf(tmp_path: Path) -> None:
    project = render(tmp_path)
    commit(project, "rendered")
    for name in git(project, "ls-files", "-z").split("\0"):
        if name:
            (project / name).unlink()
    git(project, "-c", "core.autocrlf=true", "-c", "core.eol=crlf", "checkout", "--", ".")
    for line in git(project, "ls-files", "--eol").splitlines():
        assert re.match(r"i/(lf|none) +w/(lf|none) ", line), line


def test_the_templates_own_code_uses_nothing_that_windows_lacks(tmp_path: Path) -> None:
    command = ["mypy", "--platform", "win32", "--cache-dir", str(tmp_path)]
    command += ["hooks", "template_extension.py", "update.py"]
    done = subprocess.run(command, cwd=TEMPLATE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
