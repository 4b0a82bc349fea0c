"""The template as it lies here in a repository with two versions, and projects in Git."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.commands import run
from tests.rendering import FOLDER, TEMPLATE

IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@example.com"))
}
OURS = IDENTITY | {"GIT_CONFIG_GLOBAL": os.devnull}  # the variables of who commits here


def git(folder: Path, *arguments: str) -> str:
    """Run git in the folder."""
    return run(folder, "git", *arguments, variables=OURS)


def commit(folder: Path, message: str) -> None:
    """Commit all that is in the folder."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def template_with_history(folder: Path, older: Callable[[Path], None]) -> Path:
    """A repository with the template of today as 1.1.0, and before it as `older` made it, 1.0.0."""
    for version, change in (("1.0.0", older), ("1.1.0", lambda path: None)):
        for path in folder.iterdir():
            if path.is_file():
                path.unlink()
            elif path.name != ".git":
                shutil.rmtree(path)
        for name in git(TEMPLATE, "ls-files", "-co", "--exclude-standard", "-z").split("\0"):
            if name and (TEMPLATE / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TEMPLATE / name, folder / name)
        change(folder)
        commit(folder, version)
        git(folder, "tag", version)
    return folder


def replace(path: Path, old: str, new: str) -> None:
    """Replace a text that is in the file once."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1, path
    path.write_text(text.replace(old, new), "utf-8")


def rendered(template: Path, path: str) -> Path:
    """The path of a rendered file's source."""
    return template / FOLDER / path
