"""How long a newcomer waits: from a fresh clone to the first "pong!" on the page.

    python -m benchmarks.first_pong [uvicorn|granian|hypercorn|daphne]

Clones this repository, renders the project, starts it by the command of its README, which installs
it, opens the page in Chromium and presses "Ping". Prints the seconds of each step, and how long
after a change of the code the page is connected again: up to a second of it passes until Django's
reloader looks. The packages come from uv's cache, which an earlier run has filled.
"""

import re
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser import chromium
from tests.installing import environment
from tests.rendering import TEMPLATE
from tests.serving import free_port, started


def reloaded(page: Page, code: Path) -> float:
    """Seconds from a change of the code until the page's sockets are back."""
    page.wait_for_timeout(2_000)  # in which the reloader looks for the first time
    with code.open("a") as file:
        file.write("# changed\n")
    begin = time.monotonic()
    for text in (re.compile("Trying again"), "Connected"):
        for state in ("#ping-state", "#room-state"):
            expect(page.locator(state)).to_have_text(text, timeout=20_000)
    return time.monotonic() - begin


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
            reload = reloaded(page, folder / "my_service/config/websocket.py")
    steps = [after - before for before, after in pairwise(times)]
    print("| s | clone and render | install and start | open the page, pong! | together | reload |")
    print("|---|---|---|---|---|---|")
    print(f"| {server} | {' | '.join(f'{step:.1f}' for step in [*steps, sum(steps), reload])} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
