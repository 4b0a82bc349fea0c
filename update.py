# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.1.1"]
# ///
"""Bring a project to the version of the template that this clone has checked out.

In the project's folder: uv run ../django-raw-ws/update.py [asgi_server=granian ...]

The project is rendered twice, from its version of the template and from this one. These are two
commits to Git, which merges what has changed between them as it would merge a branch.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

TEMPLATE = Path(__file__).resolve().parent
RECORD = ".template.json"


def git(*arguments: str, folder: Path = Path(), **variables: str) -> str:
    """Run git in the folder and return what it prints; end with its status if it fails."""
    command = ["git", "-c", "user.name=template", "-c", "user.email=template@localhost"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout.strip()


def render(version: str, answers: dict[str, str], folder: Path) -> Path:
    """Render a version of the template below the folder, and return the project."""
    clone, output = folder / "template", folder / "output"
    git("clone", "--quiet", "--shared", "--no-checkout", str(TEMPLATE), str(clone))
    checkout = ["git", "-C", str(clone), "checkout", "--quiet", "--detach", version, "--"]
    done = subprocess.run(checkout, capture_output=True)
    if done.returncode or git("status", "--porcelain", folder=clone):
        sys.exit(f"{TEMPLATE} has no version {version!r}: fetch its tags, or correct {RECORD}.")
    cookiecutter = [sys.executable, "-P", "-m", "cookiecutter"]  # -P: no modules of the project
    options = ["--no-input", "--default-config", "--output-dir", str(output)]
    given = [f"{name}={answer}" for name, answer in answers.items()]
    pipes: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    said = subprocess.run([*cookiecutter, *options, str(clone), *given], **pipes)
    if said.returncode:
        sys.exit((said.stdout + said.stderr).strip().splitlines()[-1])
    (project,) = output.iterdir()
    (project / ".env").unlink()  # is each machine's own
    return project


def commit(project: Path, version: str, *parents: str) -> str:
    """Make a commit of the rendered project, which no branch has, and return its name."""
    tree = project.parent.parent / "tree"
    place = tree / git("rev-parse", "--show-prefix")  # in a repository with more than this project
    place.parent.mkdir(parents=True, exist_ok=True)
    project.rename(place)
    index = {
        "GIT_DIR": git("rev-parse", "--absolute-git-dir"),
        "GIT_WORK_TREE": str(tree),
        "GIT_INDEX_FILE": str(tree.parent / "index"),
    }
    git("read-tree", "HEAD", folder=tree, **index)  # with what else the repository has
    git("add", "--all", "--force", ".", folder=place, **index)
    name = git("write-tree", folder=tree, **index)
    after = [f"-p{parent}" for parent in parents]
    return git("commit-tree", *after, "-m", f"django-raw-ws {version}", name)


def main() -> None:
    """Update the project in the current folder."""
    if not Path(RECORD).exists():
        sys.exit(f"There is no {RECORD}: run this in the folder of a project.")
    tracked = subprocess.run(["git", "ls-files", "--error-unmatch", RECORD], capture_output=True)
    if tracked.returncode:
        sys.exit("The project is not in Git: commit it first, before any change of yours.")
    if git("status", "--porcelain", "--untracked-files=no"):
        sys.exit("There are changes: commit them first.")
    record = json.loads(Path(RECORD).read_text("utf-8"))
    answers = record["answers"]
    others: dict[str, str] = {}
    for argument in sys.argv[1:]:
        name, given, answer = argument.partition("=")
        if not given or name not in answers:
            sys.exit(f"No answer is given by {argument!r}: use one of {'=…, '.join(answers)}=…")
        others[name] = answer
    version = git("describe", "--tags", "--always", folder=TEMPLATE)
    with TemporaryDirectory() as folder:
        old = render(record["version"], answers, Path(folder, "old"))
        new = render(version, answers | others, Path(folder, "new"))
        shutil.copy(RECORD, old)  # so that it never conflicts
        change = commit(new, version, commit(old, record["version"]))
    added = git("diff", "--name-only", "--no-renames", "--diff-filter=A", f"{change}^", change)
    top = Path(git("rev-parse", "--show-toplevel"))
    for name in added.splitlines():
        if (top / name).exists() and not git("ls-files", "--", str(top / name)):
            sys.exit(f"{name} would be overwritten: the template has such a file now. Move yours.")
    if subprocess.run(["git", "cherry-pick", "--no-commit", change]).returncode:
        sys.exit(f"Not yet at {version}: Git names above what is in the way.")
    print(f"{record['version']} -> {version}: see `git diff --staged`, run the tests, and commit.")


if __name__ == "__main__":
    main()
