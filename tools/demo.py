"""Renders the template of a commit, so that its changes can be read as changes of its output.

python -m tools.demo OLD NEW prints what differs between the output of two commits;
python -m tools.demo commits the output of HEAD to the branch `demo`.
"""

import filecmp
import json
import os
import sys
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from cookiecutter.main import cookiecutter  # type: ignore[import-untyped]

from tests.commands import run
from tests.rendering import TEMPLATE

BRANCH = "refs/heads/demo"


def git(*arguments: str) -> str:
    """Run git in this repository."""
    return run(TEMPLATE, "git", *arguments)


def choices(template: Path) -> list[dict[str, str]]:
    """Answers with the first choice of each option, then with the second of each, and so on."""
    prompts = json.loads((template / "cookiecutter.json").read_text("utf-8"))
    options = {
        name: choices
        for name, choices in prompts.items()
        if isinstance(choices, list) and not name.startswith("_")
    }
    return [
        {name: choice for name, choice in zip(options, chosen, strict=True) if choice}
        for chosen in zip_longest(*options.values())
    ]


def render_all(template: Path, output: Path) -> None:
    """Render a project of the first choices, and what differs from it with the others."""
    sys.modules.pop("template_extension", None)  # of another commit
    sys.path.insert(0, str(template))  # before this repository, which has one too
    folders = []
    for answers in choices(template):
        folders.append(output / "-".join(answers.values()))
        options = {"no_input": True, "default_config": True, "extra_context": answers}
        cookiecutter(str(template), output_dir=str(folders[-1]), **options)
    first, *others = folders
    for other in others:
        for path in filter(Path.is_file, other.rglob("*")):
            same = first / path.relative_to(other)
            if same.is_file() and filecmp.cmp(path, same, shallow=False):
                path.unlink()


def tree(commit: str) -> str:
    """Render the template of a commit; return the name of the output as a tree of Git."""
    with TemporaryDirectory() as name:
        template, output = Path(name, "template"), Path(name, "output")
        template.mkdir()
        output.mkdir()
        ours = {"GIT_DIR": git("rev-parse", "--absolute-git-dir"), "GIT_WORK_TREE": "."}
        first, second = (ours | {"GIT_INDEX_FILE": f"{name}/{number}"} for number in (1, 2))
        run(template, "git", "checkout", commit, "--", ".", variables=first)
        render_all(template, output)
        run(output, "git", "add", "--all", variables=second)
        return run(output, "git", "write-tree", variables=second)


def commit_to_branch(commit: str) -> str:
    """Commit the output to the branch, if it is not there as it is; return what was done."""
    made = tree(commit)
    last = git("for-each-ref", "--format=%(objectname) %(tree)", BRANCH).split()
    if last and last[1] == made:
        return "The output has not changed."
    message = git("log", "-1", "--format=%B%nRendered from %H", commit)
    parents = ["-p", last[0]] if last else []
    git("update-ref", BRANCH, git("commit-tree", made, *parents, "-m", message))
    return git("show", "--stat", "--format=%s", BRANCH)


if __name__ == "__main__":
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the hook prints too
    match sys.argv[1:]:
        case []:
            print(commit_to_branch("HEAD"), file=output)
        case [old, new]:
            print(git("diff", tree(old), tree(new)), file=output)
        case _:
            sys.exit(__doc__)
