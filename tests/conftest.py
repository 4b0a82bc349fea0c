"""Rendered projects and a browser, for the tests that use one."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.installing import ENDS, Installed, interpreter
from tests.rendering import render

LONG = {"test_benchmarks", "test_vanished", "test_taking_out", "test_ci", "test_containers"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is left alone with it at the end."""

    def group(item: pytest.Item) -> Any:
        marks = item.iter_markers("xdist_group")
        return next((mark.args[0] for mark in marks), item.nodeid)

    sizes = Counter(map(group, items))
    items.sort(key=lambda item: (item.path.stem not in LONG, -sizes[group(item)]))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Installed]:
    """Return the project with this ASGI server and test setup; each is rendered once."""
    projects: dict[tuple[str, str], Installed] = {}
    # mypy checks the packages once for all projects of this process, and their own files each time
    os.environ["MYPY_CACHE_DIR"] = str(tmp_path_factory.mktemp("mypy"))

    def get(asgi_server: str, test_setup: str) -> Installed:
        key = asgi_server, test_setup
        if key not in projects:
            folder = tmp_path_factory.mktemp("-".join(key))
            project = render(folder, asgi_server=asgi_server, test_setup=test_setup)
            projects[key] = Installed(project, interpreter(ENDS[key]))
            projects[key].run("git", "init", "--quiet")
            projects[key].run("git", "add", "--all")
        return projects[key]

    return get


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium, which ends with the file's tests: no other event loop can run meanwhile."""
    with chromium() as browser:
        yield browser


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores: half of the time the tests wait."""
    return (os.cpu_count() or 1) + 2
