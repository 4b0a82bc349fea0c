"""A user's first app passes the project's own checks, in git commit too, where uv is no command."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.git_projects import OURS, replace
from tests.installing import Installed, environment, parameter

MODELS = '''"""What people ask."""

from django.conf import settings
from django.db import models


class Ticket(models.Model):
    title = models.CharField(max_length=80)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tickets")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.title
'''
ADMIN = '''"""Tickets in the admin."""

from django.contrib import admin

from support.models import Ticket


@admin.register(Ticket)
class TicketAdmin(admin.ModelAdmin[Ticket]):
    list_display = ["title", "opened_by"]
'''
VIEWS = '''"""Pages of the support."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse

from support.models import Ticket


@login_required
def tickets(request: HttpRequest) -> HttpResponse:
    assert request.user.is_authenticated
    own = Ticket.objects.filter(opened_by=request.user)
    return JsonResponse({request.user.username: [str(ticket) for ticket in own]})
'''
LOOPS = '''"""Loops of the support."""

from django.http import HttpRequest

from realtime.handshake import websocket
from realtime.types import Receive, Send
from support.models import Ticket


@websocket
async def desk(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Open a ticket for each message."""
    assert request.user.is_authenticated
    while True:
        match await receive():
            case {"type": "websocket.connect"}:
                await send({"type": "websocket.accept"})
            case {"type": "websocket.receive", "text": str(title)}:
                await Ticket.objects.acreate(title=title, opened_by=request.user)
                await send({"type": "websocket.send", "text": f"Thanks, {request.user.username}"})
            case {"type": "websocket.disconnect"}:
                return
'''
TESTS = '''"""From a message to the page that lists it."""

from django.test import AsyncClient, TestCase

from realtime.testing import WebSocketClient
from users.models import User


class TicketTests(TestCase):
    async def test_a_message_is_a_ticket_of_its_user(self) -> None:
        user = await User.objects.acreate_user("ada", password="first-engine")
        async with WebSocketClient("/desk/", user=user) as client:
            await client.send("No steam")
            assert await client.receive() == "Thanks, ada"
        browser = AsyncClient()
        await browser.aforce_login(user)
        assert (await browser.get("/tickets/")).json() == {"ada": ["No steam"]}
'''
ROUTES = """urlpatterns = [
    path("tickets/", tickets),
    path("desk/", login_required(desk)),
"""
IMPORTS = """from realtime.tickets import ticket
from support.views import tickets
from support.websocket import desk
"""
SUITE = {
    "pytest": ["pytest", "-v", "-k", "support or users"],
    "unittest": ["manage.py", "test", "-v2", "-k", "support", "-k", "users"],
}


class WithoutUv(Installed):
    """A project where uv is no command, only a module of another Python."""

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "uv", "run", "--python", self.python, *arguments]


@pytest.mark.parametrize("combination", [parameter("uvicorn", setup, " apps") for setup in SUITE])
def test_an_app_with_all_that_an_app_has_passes(
    combination: tuple[str, str], installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    copy = installed(*combination).copied(tmp_path / "project")
    project = copy.project
    path = os.environ["PATH"].split(os.pathsep)
    ours = OURS | {"PATH": os.pathsep.join(at for at in path if not Path(at, "uv").exists())}
    app = WithoutUv(project, copy.python)

    app.run("manage.py", "startapp", "support", **ours)
    for name, text in (("models", MODELS), ("admin", ADMIN), ("views", VIEWS), ("tests", TESTS)):
        assert (project / f"support/{name}.py").exists()
        (project / f"support/{name}.py").write_text(text)
    (project / "support/websocket.py").write_text(LOOPS)
    replace(project / "config/settings.py", '    "users",\n', '    "users",\n    "support",\n')
    urls = project / "config/urls.py"
    replace(urls, "urlpatterns = [\n", ROUTES)
    replace(urls, "from realtime.tickets import ticket\n", IMPORTS)
    decorators = "from django.contrib.auth.decorators import login_required\n"
    replace(urls, "from django.contrib.auth.views", f"{decorators}from django.contrib.auth.views")
    app.run("manage.py", "makemigrations", **ours)

    app.run("git", "init", "--quiet", **ours)
    app.run("git", "add", "--all", **ours)
    app.run("pre-commit", "run", "--all-files", **ours)
    app.run("pre-commit", "install", **ours)
    commit = ["git", "commit", "--quiet", "--message", "An app"]
    done = subprocess.run(
        commit, cwd=project, env=environment(**ours), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    for hook in ("ruff check", "ruff format", "mypy", "manage.py makemigrations"):
        assert re.search(rf"^{hook}.*Passed$", done.stderr, re.MULTILINE), done.stderr

    assert re.search("support[./]tests", app.run(*SUITE[combination[1]], **ours))
