"""How long a newcomer waits: from a fresh clone to the first "pong!" on the page.

Clones this repository, renders the project, starts it by the command of its README, which installs
it, opens the page in Chromium and presses "Ping". And how long after a change of the code the page
is connected again: up to a second of it passes until Django's reloader looks. The packages come
from uv's cache.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from benchmarks.projects import Lab
from benchmarks.tables import Table
from tests.browser import chromium, until
from tests.installing import environment
from tests.rendering import TEMPLATE
from tests.serving import free_port, started

WATCH = """() => {
    const states = ["ping-state", "room-state"].map(id => document.getElementById(id))
    const lost = new Set()
    new MutationObserver(() => {
        const away = states.filter(state => state.textContent !== "Connected")
        away.forEach(state => lost.add(state))
        if (lost.size === 2 && !away.length) window.back ??= Date.now()
    }).observe(document.body, { subtree: true, childList: true })
}"""
STEPS = ("clone and render", "install and start", "open the page, pong!")


def reloaded(page: Page, code: Path) -> float:
    """Seconds from a change of the code until the page's sockets are back.

    It is changed again if nothing comes of it: Django overlooks a change of a file that its
    reloader has not seen before.
    """
    page.evaluate(WATCH)

    def back() -> float:
        """When they were, in ms since 1970, or 0."""
        return page.evaluate("window.back") or 0.0

    for _ in range(2):
        with code.open("a") as file:
            file.write("# changed\n")
        begin = time.time()
        with suppress(TimeoutError):
            until(page, "a reload", lambda: back() > 0, 10)
            break
    until(page, "a reload after the second change", lambda: back() > 0)
    return back() / 1000 - begin


def seconds(server: str) -> list[float]:
    """The time of each step, and of a reload."""
    times = [time.monotonic()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clone = ["git", "clone", "--quiet", str(TEMPLATE), "template"]
        subprocess.run(clone, cwd=folder, check=True)
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
    return [after - before for before, after in pairwise(times)] + [reload]


def measure(lab: Lab) -> Iterator[Table]:
    """Once on each server; the first of all fills uv's cache."""
    first = Table("first-pong", 'from a fresh clone to the first "pong!"', "s")
    reload = Table("reload", "from a change of the code until the page is connected again", "s")
    seconds(lab.extent.servers[0])
    steps = []
    for server in lab.extent.servers:
        *told, again = seconds(server)
        first.add(server, sum(told))
        reload.add(server, again)
        each = [f"{step} {spent:.1f}" for step, spent in zip(STEPS, told, strict=True)]
        steps.append(f"{server}: {', '.join(each)}")
    first.note = f"{'; '.join(steps)}."
    yield first
    yield reload
