"""The first feature of the rendered README: its blocks, as they stand, make an app that works."""

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.documents import follow
from tests.installing import Installed, parameter
from tests.rendering import CONTEXT, TEST_SETUPS
from tests.services import own_database, own_redis
from tests.serving import Running, runserver

BOTH = [parameter("uvicorn", setup, " apps") for setup in TEST_SETUPS]
PEOPLE = """
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from users.models import User
password = make_password("first-engine")
ada, bob, eve = [User.objects.create(username=n, password=password) for n in ("ada", "bob", "eve")]
Group.objects.create(name="support").user_set.add(ada, bob)
"""


@pytest.fixture(scope="module")
def project(
    request: pytest.FixtureRequest,
    installed: Callable[[str, str], Installed],
    tmp_path_factory: pytest.TempPathFactory,
) -> Installed:
    """A project whose user has followed it."""
    folder = tmp_path_factory.mktemp(request.param[1]) / "project"
    followed = installed(*request.param).copied(folder, "*.sqlite3*")
    follow(followed)
    return followed


@pytest.mark.parametrize("project", BOTH, indirect=True)
def test_its_suite_and_its_hooks_pass(project: Installed) -> None:
    setup = "pytest" if (project.project / "pytest.ini").exists() else "unittest"
    command = CONTEXT["_test_setups"][setup]["command"].split()
    apps = ("desk", "users", "tests")  # realtime's are run elsewhere
    printed = project.run(*command, *apps, "--verbosity=2")
    assert re.search(r" passed in |\nOK\n", printed), printed
    assert "test_members_read_what_was_said" in printed
    project.run("git", "init", "--quiet")
    project.run("git", "add", "--all")
    printed = project.run("pre-commit", "run", "--all-files")
    assert printed.count("Passed") == 5


def log_in(page: Page, server: Running, path: str, name: str) -> None:
    """Open a page of the service, and log in as it asks for that."""
    page.goto(f"http://{server.address}{path}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("first-engine")
    page.get_by_role("button", name="Log in").click()


def say(page: Page, text: str) -> None:
    """Say it at the desk."""
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()


@pytest.mark.parametrize("project", BOTH[1:], indirect=True)
def test_its_pages_in_two_processes_say_the_same(
    project: Installed, browser: Browser, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(own_redis(tmp_path))
        database = stack.enter_context(own_database(project, f"tutorial_{os.getpid()}"))
        variables: dict[str, Any] = {"REDIS_URL": redis.url, "DATABASE_URL": database}
        project.run("manage.py", "shell", "--no-imports", "-c", PEOPLE, **variables)
        servers = [
            stack.enter_context(runserver(project, tmp_path / name, "--noreload", **variables))
            for name in ("one", "other")
        ]
        ada, bob, eve = [stack.enter_context(browser.new_context()).new_page() for _ in range(3)]
        log_in(ada, servers[0], "/desk/1/", "ada")
        say(ada, "is the <printer> on?")
        expect(ada.get_by_role("log")).to_have_text("ada: is the <printer> on?")
        log_in(bob, servers[1], "/desk/1/", "bob")
        say(bob, "it is")
        project.run("manage.py", "remind", **variables)
        said = ["ada: is the <printer> on?", "bob: it is", "clock: The desk closes in an hour."]
        for page in (ada, bob):
            expect(page.get_by_role("log").locator("p")).to_have_text(said)
        ada.reload()
        expect(ada.get_by_role("log").locator("p")).to_have_text(said)
        log_in(eve, servers[0], "/desk/1/", "eve")
        expect(eve.locator("body")).to_contain_text("No Group matches")
