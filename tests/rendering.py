"""Renders the template, by cookiecutter's command line or its function."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cookiecutter.main import cookiecutter  # type: ignore[import-untyped]

TEMPLATE = Path(__file__).parent.parent
FOLDER = "{{cookiecutter.project_slug}}"
CONTEXT: dict[str, Any] = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
SERVERS: list[str] = CONTEXT["asgi_server"]
TEST_SETUPS: list[str] = CONTEXT["test_setup"]
CIS: list[str] = CONTEXT["ci"]


def command_line(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `cookiecutter` on the template, as a user does, the output going to the folder."""
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--output-dir", str(folder)]
    if "--config-file" not in arguments:
        command.append("--default-config")
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


def render(folder: Path, **answers: str) -> Path:
    """Render a project below the folder and return its path."""
    project = cookiecutter(
        str(TEMPLATE),
        no_input=True,
        extra_context=answers,
        output_dir=str(folder),
        default_config=True,
    )
    return Path(project)
