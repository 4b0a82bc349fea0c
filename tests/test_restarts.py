"""What a service's restart does to the clients of its pages."""

import random
import signal
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import answering
from tests.installing import Installed, environment
from tests.serving import WITH_EXTRA_ROUTES, free_port, production_command, started

CLIENTS = 50
CROWD = """([url, clients]) => {
    window.there = 0
    window.losses = []
    for (let i = 0; i < clients; i++) {
        const socket = new ReconnectingWebSocket(url, { longest: 4_000 }) // not 30_000
        let open = false
        socket.addEventListener("open", () => { open = true; there++ })
        socket.addEventListener("lost", ({ detail }) => {
            if (open) there--
            open = false
            losses.push([performance.now(), detail.delay])
        })
    }
}"""


def await_crowd(page: Page, number: int) -> None:
    """Wait until so many clients are connected."""
    page.wait_for_function("number => there === number", arg=number, timeout=60_000)


@pytest.mark.xdist_group("uvicorn-unittest")
def test_after_each_of_four_restarts_all_clients_come_back_and_not_all_at_once(
    installed: Callable[[str, str], Installed], browser: Browser, tmp_path: Path
) -> None:
    project, port = installed("uvicorn", "unittest"), free_port()
    command = production_command(project.project, "uvicorn", port)
    with answering(200) as pages, browser.new_page() as page:
        # The spread hangs on chance; here always on the same.
        numbers = random.Random(1)
        page.add_init_script(
            f"const numbers = {[numbers.random() for _ in range(10_000)]}; "
            "Math.random = () => numbers.pop()"
        )
        page.goto(pages.url("/"))
        variables = environment(**WITH_EXTRA_ROUTES, CSRF_TRUSTED_ORIGINS=pages.url(""))
        ends = [signal.SIGTERM, signal.SIGKILL] * 2
        for number, end in enumerate([*ends, None]):
            with started(
                command, port, tmp_path / "log", cwd=project.project, env=variables
            ) as server:
                if not number:
                    page.evaluate(CROWD, [f"ws://127.0.0.1:{port}/ws/", CLIENTS])
                await_crowd(page, CLIENTS)
                page.wait_for_timeout(1_100)  # in which each becomes a connection that lasted
                if number:
                    assert most_within(100, first_second(page)) <= CLIENTS / 4
                if end:
                    server.send_signal(end)
                    server.wait(10)
                    await_crowd(page, 0)


def first_second(page: Page) -> list[float]:
    """When clients try again, in ms, in the second after the first of them was lost."""
    losses: list[tuple[float, float]] = page.evaluate("losses.splice(0)")
    first = min(when for when, _ in losses)
    return sorted(when + delay for when, delay in losses if when + delay < first + 1000)


def most_within(span: float, times: list[float]) -> int:
    """The most of these times that lie within any such span."""
    return max(bisect_right(times, time + span) - i for i, time in enumerate(times))
