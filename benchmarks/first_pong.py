"""How long a newcomer waits: from a fresh clone to the first "pong!" on the page.

    python -m benchmarks.first_pong [uvicorn|granian|hypercorn|daphne]

Clones this repository, renders the project, starts it by the command of its README, which installs
it, opens the page in Chromium and presses "Ping". Prints the seconds of each step. The packages
come from uv's cache, which an earlier run has filled.
"""

import re
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser import chromium
from tests.installing import environment
from tests.rendering import TEMPLATE
from tests.serving import free_port, started


def main(server: str = "uvicorn") -> None:
    """Measure and print."""
    times = [time.monotonic()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run(
            ["git", "clone", "--quiet", str(TEMPLATE), "template"], cwd=folder, check=True
        )
        render = ["-m", "cookiecutter", "template", "--default-config", "--no-input"]
        render = [sys.executable, *render, f"asgi_server={server}"]
        subprocess.run(render, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic())
        port = free_port()
        command = [sys.executable, "-m", "uv", "run", "manage.py", "runserver", str(port)]
        options: dict[str, Any] = {"cwd": folder / "my_service", "env": environment()}
        with started(command, port, folder / "log", 60, **options), chromium() as browser:
            times.append(time.monotonic())
            page = browser.new_page()
            page.goto(f"http://localhost:{port}/")
            page.get_by_role("button", name="Ping").click()
            expect(page.locator("#answer")).to_have_text(re.compile("^pong!"))
            times.append(time.monotonic())
    steps = [after - before for before, after in pairwise(times)]
    print("| | clone and render | install and start | open the page, pong! | together |")
    print("|---|---|---|---|---|")
    print(f"| {server}, s | {' | '.join(f'{step:.1f}' for step in [*steps, sum(steps)])} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
