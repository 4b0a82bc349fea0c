"""The pictures of the page that the README shows."""

import subprocess
from pathlib import Path

from tests.browser import chromium_program
from tests.documents import TOOLS, block
from tests.installing import environment
from tests.rendering import TEMPLATE


def test_they_are_made_by_the_line_of_the_document(tmp_path: Path) -> None:
    chromium_program()
    line = block(TEMPLATE / "CONTRIBUTING.md", f"{TOOLS}python -m tools.picture")
    command = f"{line.strip()} {tmp_path}"
    subprocess.run(["sh", "-c", command], cwd=TEMPLATE, env=environment(), timeout=120, check=True)
    for scheme in ("light", "dark"):
        assert (tmp_path / f"page-{scheme}.png").read_bytes().startswith(b"\x89PNG")
