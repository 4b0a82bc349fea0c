"""The blocks of code in the documents, of the template and of a rendered project."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent

from tests.git_projects import replace
from tests.installing import Installed
from tests.rendering import TEMPLATE

TOOLS = "uv run --no-project --with-requirements requirements.txt "  # before a tool's own command


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each block, and the paragraph before it."""
    for found in re.finditer(r"\n\n((?: {4}.*\n|\n(?=\n? {4}))+)", text):
        yield text[: found.start()].rpartition("\n\n")[2], dedent(found[1])


def block(document: Path, begin: str) -> str:
    """The block that begins so."""
    (found,) = [code for _, code in blocks(document.read_text("utf-8")) if code.startswith(begin)]
    return found


def filled(text: str, codes: dict[str, str]) -> str:
    """The text with each code in the place of a line that is its name in brackets, as <name>."""
    return re.sub(
        r"^( *)<(\w+)>$", lambda place: indent(codes[place[2]], place[1]).rstrip(), text, flags=re.M
    )


def documents(project: Path) -> list[Path]:
    """The documents of the template, and those of the project."""
    ours = [TEMPLATE / "README.md", TEMPLATE / "CONTRIBUTING.md"]
    return [
        *ours,
        *project.glob("*.md"),
        *project.glob("docs/*.md"),
        project / "realtime/README.md",
    ]


def tutorial(project: Path) -> Iterator[tuple[str, str]]:
    """The blocks of the first feature, each with its file; "" for commands."""
    text = (project / "README.md").read_text("utf-8")
    section = text.split("\n## The first feature\n")[1].split("\n## ")[0]
    for said, code in blocks(section):
        yield "" if code.startswith("uv run ") else re.findall(r"`([\w/]+\.\w+)`", said)[-1], code


def follow(installed: Installed) -> None:
    """Do what the first feature says, but for the commands that the tests run; add the command."""
    project, made = installed.project, []
    command = block(project / "docs/messages.md", "from django.contrib.auth.models import Group")
    for path, code in [*tutorial(project), ("desk/management/commands/remind.py", command)]:
        if path == "config/urls.py":
            imports, routes = code.split("\n\n")
            handshake = "\nfrom realtime.handshake"
            replace(project / path, handshake, f"\n{imports}{handshake}")
            replace(project / path, "urlpatterns = [\n", f"urlpatterns = [\n{routes}")
        elif path:
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(code, "utf-8")
            made.append(path)
        elif "startapp" in code:
            installed.run(*code.split()[2:])
            replace(project / "config/settings.py", "APPS = [\n", 'APPS = [\n    "desk",\n')
        elif "makemigrations" in code:
            installed.run(*code.split(" && ")[0].split()[2:])
    assert len(made) == 7
