"""Each block of code in the documents runs as it stands, here or in the test that is named here."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import until
from tests.documents import TOOLS, block, blocks, documents, filled, follow, tutorial
from tests.git_projects import replace
from tests.installing import Installed, environment
from tests.rendering import TEMPLATE, render
from tests.serving import runserver

pytestmark = pytest.mark.xdist_group("uvicorn-pytest")
# How the blocks begin that other tests run, and which.
ELSEWHERE = {
    "python3 -m pip install": "test_first_minute.py",
    "uv run manage.py migrate": "test_page.py",
    "uv run manage.py runserver": "test_first_minute.py",
    "git clone": "test_updates.py",
    "grep ": "test_updates.py",
    "uv run ../django-raw-ws/update.py": "test_updates.py",
    "default_context": "test_defaults.py",
    "uvx cookiecutter": "test_defaults.py",
    "abbreviations": "test_defaults.py",
    f"{TOOLS}python -m tools.demo": "test_demo.py",
    f"{TOOLS}python -m tools.picture": "test_picture.py",
    f"{TOOLS}python -m benchmarks": "test_benchmarks.py",
    "map $http_upgrade": "test_proxy.py",
    "example.com {": "test_proxy.py",
    "uv lock\ndocker compose": "test_containers.py",
    "PERMESSAGE_DEFLATE": "test_containers.py",
    "limit_conn_zone": "test_proxy.py",
    "table inet clients": "test_proxy.py",
    "POST /ws/ticket/": "test_processes.py",
    'new WebSocket("wss://example.com/ws/", [': "test_processes.py",
    "const ticket =": "test_processes.py",
    "const socket = new ReconnectingWebSocket": "test_socket.py",
}
# The Python blocks by names, with the documents and the beginnings.
PYTHON: dict[str, tuple[str | Path, str]] = {
    "welcome": (TEMPLATE / "README.md", "@websocket"),
    "echo": ("docs/connections.md", "@websocket"),
    "route": ("docs/connections.md", "path("),
    "subprotocol": ("docs/connections.md", "offered"),
    "staff_only": ("docs/connections.md", "from functools"),
    "close": ("docs/connections.md", "from realtime.closing"),
    "client": ("docs/connections.md", "from realtime.testing"),
    "app_login": ("docs/connections.md", "from django.contrib.auth import authenticate"),
    "by_ticket": ("docs/connections.md", "from django.test import AsyncClient"),
    "thread": ("docs/database.md", "from realtime.database"),
    "news": ("docs/messages.md", "from realtime.broadcast import publish, publish_on_commit"),
    "several": ("docs/messages.md", 'async with subscribe("news"'),
    "json": ("docs/messages.md", "from realtime.handshake"),
    "first": ("docs/messages.md", "async def last_messages"),
    "present": ("docs/messages.md", "from realtime.presence"),
    "everybody": ("docs/messages.md", "async def everybody"),
    "limited": ("docs/connections.md", "from realtime.limits"),
    "lifespan": ("docs/production.md", "from collections.abc"),
    "work": ("docs/servers.md", "import asyncio"),
}
OTHERS = {  # which the tests below run
    "  [1/6] Name": "README.md",
    "my_service/\n": "README.md",
    f"{TOOLS}cookiecutter": "CONTRIBUTING.md",
    "export DEBUG=false": "docs/production.md",
    "const socket = new WebSocket": "docs/browser.md",
    "import { ReconnectingWebSocket": "docs/browser.md",
}
TESTS = """
import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.http import HttpRequest
from django.urls import path

from config import asgi, urls
from config.urls import page
from desk.models import Message
from realtime.broadcast import subscribe
from realtime.database import database_thread
from realtime.handshake import websocket
from realtime.messages import dumps
from realtime.presence import changes, members, present
from realtime.resuming import RS
from realtime.testing import ConnectionClosed, HandshakeRefused, WebSocketClient
from realtime.types import Receive, Send
from users.models import User

<welcome>
welcome = [*urlpatterns, *urls.urlpatterns]

<echo>

<staff_only>

<app_login>

urlpatterns = [
    <route>
    path("staff/<slug:word>/", staff_only(echo)),
    path("app/login/", app_login),
]

@websocket
async def choose(request, receive, send):
    await receive()
    <subprotocol>
    await receive()

<news>

<json>

@websocket
async def state(request, receive, send):
    await receive()
    <first>
        await receive()

<work>

@websocket
async def few(request, receive, send):
    <limited>
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await receive()

@websocket
async def there(request, receive, send):
    name = "ada"
    await receive()
    await send({"type": "websocket.accept"})
    <everybody>
        await receive()

@websocket
async def several(request, receive, send):
    await receive()
    <several>
        await send({"type": "websocket.accept"})
        await receive()

loops = (choose, news, echo, state, work, few, there, several)
urlpatterns += [path(f"{loop.__name__}/", loop) for loop in loops]


@pytest.fixture(autouse=True)
def routes(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def user(db):
    return User.objects.create(username="ada")


@pytest.fixture
def team(user):
    team = Group.objects.create(name="support")
    user.groups.add(team)
    return team


@pytest.fixture
def as_first(monkeypatch):
    monkeypatch.setitem(globals(), "urlpatterns", welcome)


async def test_welcome(as_first, async_client, db):
    async with WebSocketClient("/") as client:
        await client.send("ping")
        assert await client.receive() == "pong!"
    assert "Ping" in (await async_client.get("/")).content.decode()
    with pytest.raises(HandshakeRefused, match="HTTP 302"):
        async with WebSocketClient("/ws/"):
            pass


async def test_client(user):
    <client>


async def test_app_login(async_client, user, django_capture_on_commit_callbacks):
    for asked in ({}, {"username": "ada", "password": "lovelace"}):
        assert (await async_client.post("/app/login/", asked)).status_code == 401
    user.set_password("lovelace")
    await user.asave()
    <by_ticket>
        await client.send("world")
        assert await client.receive() == "hello: world"
        user.set_password("another")
        with django_capture_on_commit_callbacks(execute=True):
            await user.asave()
        with pytest.raises(ConnectionClosed, match="4401"):
            await client.receive()
    assert (await AsyncClient(enforce_csrf_checks=True).post("/app/login/")).status_code == 401


async def test_staff(user):
    with pytest.raises(HandshakeRefused, match="HTTP 403"):
        async with WebSocketClient("/staff/hello/", user=user):
            pass


async def test_subprotocol():
    for offered, accepted in ((["v2", "v1"], "v1"), (["v2"], None)):
        async with WebSocketClient("/choose/", subprotocols=offered) as client:
            assert client.accepted.get("subprotocol") == accepted


async def test_close(settings, user, team, django_capture_on_commit_callbacks):
    settings.ROOT_URLCONF = "config.urls"
    async with WebSocketClient(f"/ws/desk/{team.pk}/", user=user) as client:
        @sync_to_async
        def narrowed():
            with django_capture_on_commit_callbacks(execute=True):
                <close>
        await narrowed()
        with pytest.raises(ConnectionClosed, match="4403"):
            await client.receive()


async def test_thread(user):
    <thread>
    assert staff == 0


async def test_news(db, django_capture_on_commit_callbacks):
    async with WebSocketClient("/news/") as client:
        <published>
        @sync_to_async
        def later():
            with django_capture_on_commit_callbacks(execute=True):
                <published_later>
        await later()
        assert [await client.receive() for _ in range(2)] == ["hello", "hello"]


async def test_several():
    for path, marked in (("/several/", 0), ("/several/?after=", 1)):
        async with WebSocketClient(path) as client:
            for channel in ("news", "sport"):
                await publish(channel, channel)
            told = [await client.receive() for _ in range(2 + marked)][marked:]
            assert sorted(each.split(RS)[-1] for each in told) == ["news", "sport"]
            assert sum(RS in each for each in told) == marked


async def test_json():
    async with WebSocketClient("/echo/") as client:
        await client.send_json({"text": "hello"})
        assert await client.receive_json() == {"you said": "hello"}


async def test_first(team):
    await Message.objects.acreate(team=team, author="ada", text="before")
    async with WebSocketClient("/state/") as client:
        assert (await client.receive_json())["text"] == "before"


async def test_remind(settings, user, team, django_capture_on_commit_callbacks):
    settings.ROOT_URLCONF = "config.urls"
    async with WebSocketClient(f"/ws/desk/{team.pk}/", user=user) as client:
        with django_capture_on_commit_callbacks(execute=True):
            await sync_to_async(call_command)("remind")
        assert (await client.receive_json())["author"] == "clock"


async def test_present(rf, user):
    request = rf.get("/")
    request.user = user
    <present>


async def test_everybody():
    async with WebSocketClient("/there/") as client:
        assert await client.receive_json() == {"members": ["ada"]}


async def test_limited():
    async with WebSocketClient("/few/") as client:
        for _ in range(200):
            await client.send("")
        with pytest.raises(ConnectionClosed, match="4429"):
            await client.receive()


async def test_lifespan():
    state = {}
    service = ApplicationCommunicator(asgi.lifespan, {"type": "lifespan", "state": state})
    await service.send_input({"type": "lifespan.startup"})
    assert (await service.receive_output())["type"] == "lifespan.startup.complete"
    assert type(state["cache"]).__name__ == "Redis"
    await service.send_input({"type": "lifespan.shutdown"})
    assert (await service.receive_output())["type"] == "lifespan.shutdown.complete"


async def test_work():
    async with WebSocketClient("/work/") as client:
        for text in ("this", "ping"):
            await client.send(text)
        assert [await client.receive() for _ in range(2)] == ["pong!", "this is done"]
"""


@pytest.fixture(scope="module")
def project(
    installed: Callable[[str, str], Installed], tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """A project with the first feature, which some documents refer to."""
    folder = tmp_path_factory.mktemp("documents") / "project"
    project = installed("uvicorn", "pytest").copied(folder, "*.sqlite3*")
    follow(project)
    return project


def test_every_block_is_run(project: Installed) -> None:
    begins = [*ELSEWHERE, *OTHERS, *(begin for _, begin in PYTHON.values())]
    begins += ["await publish("]  # in two parts
    found = [
        code
        for document in documents(project.project)
        for said, code in blocks(document.read_text("utf-8"))
        if code not in first_feature(project)
    ]
    assert [code for code in found if not code.startswith(tuple(begins))] == []
    assert [begin for begin in begins if not any(code.startswith(begin) for code in found)] == []
    assert all((TEMPLATE / "tests" / name).exists() for name in ELSEWHERE.values())


def first_feature(project: Installed) -> str:
    """What test_tutorial.py runs, and the command that goes with it."""
    command = block(project.project / "docs/messages.md", "from django.contrib.auth.models")
    return "".join(code for _, code in tutorial(project.project)) + command


def test_python_runs(project: Installed) -> None:
    folder = project.project
    codes = {name: block(folder / path, begin) for name, (path, begin) in PYTHON.items()}
    lines = block(folder / "docs/messages.md", "await publish(").splitlines()
    codes |= {"published": lines[0], "published_later": lines[1]}
    replace(folder / "config/asgi.py", "lifespan = Lifespan()\n", codes["lifespan"])
    (folder / "tests/test_blocks.py").write_text(filled(TESTS, codes), "utf-8")
    assert " 17 passed" in project.run("pytest", "tests/test_blocks.py")


def test_javascript_runs(project: Installed, browser: Browser, tmp_path: Path) -> None:
    document = project.project / "docs/browser.md"
    with runserver(project, tmp_path / "log", "--noreload") as server, browser.new_page() as page:
        said: list[str] = []
        page.on("console", lambda line: said.append(line.text))
        page.goto(f"http://{server.address}/")
        expect(page.locator("#room-state")).to_have_text("Connected")
        page.evaluate(block(document, "const socket = new WebSocket"))
        until(page, "pong!", lambda: "pong!" in said)
        (project.project / "config/static/example.js").write_text(
            block(document, "import { ReconnectingWebSocket")
        )
        page.add_script_tag(url="/static/example.js", type="module")
        until(page, "hello", lambda: {"connected", "hello"} <= set(said))
        offered = "() => new Promise(end => (new WebSocket('/ws/', 'v1').onerror = () => end(1)))"
        assert page.evaluate(offered) == 1  # as docs/connections.md says of subprotocols


def test_the_start_in_production_is_what_the_ci_runs(project: Installed) -> None:
    lines = block(project.project / "docs/production.md", "export DEBUG=false").splitlines()
    exports = [line for line in lines if line.startswith("export ")]
    ci = (project.project / ".github/workflows/ci.yml").read_text("utf-8")
    assert [line for line in lines if line not in exports and f" {line}" not in ci] == []
    check = "uv run manage.py check --deploy --fail-level WARNING"
    project.run("sh", "-c", "\n".join([*exports, check]))


def test_the_prompts_are_those_of_the_readme(tmp_path: Path) -> None:
    said = block(TEMPLATE / "README.md", "  [1/6] Name")
    done = subprocess.run(
        ["cookiecutter", str(TEMPLATE), "--default-config", "--output-dir", str(tmp_path)],
        input="\n" * 6,
        env=environment(COLUMNS="200"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    words = " ".join(done.stdout.split())
    assert words == " ".join(said.split())


def test_what_is_in_it_is_there(tmp_path: Path) -> None:
    project, folder, named = render(tmp_path), "", []
    for line in block(TEMPLATE / "README.md", "my_service/\n").splitlines()[1:]:
        names = re.split(r"   +", line.lstrip("│├└─ "))[0].split()
        folder = "" if line[0] in "├└" else folder
        named += [f"{folder}{name}" for name in names if name not in {"CI", "…"}]
        folder = names[0] if line[0] in "├└" else folder
    assert len(named) > 15
    assert [name for name in named if not (project / name).exists()] == []


def test_contributors_render_by_their_line(tmp_path: Path) -> None:
    line = block(TEMPLATE / "CONTRIBUTING.md", f"{TOOLS}cookiecutter")
    line = line.replace("--output-dir ..", f"--default-config --output-dir {tmp_path}")
    subprocess.run(["sh", "-c", line], cwd=TEMPLATE, env=environment(), timeout=60, check=True)
    assert (tmp_path / "my_service/manage.py").exists()


def test_every_link_leads_somewhere(project: Installed) -> None:
    for document in documents(project.project):
        text = document.read_text("utf-8")
        for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
            target = document.parent / path if path else document
            assert target.exists(), f"{document}: {path}"
            if anchor:
                headings = re.findall(r"^#+ (.*)", target.read_text("utf-8"), re.M)
                names = {
                    re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings
                }
                assert anchor in names, f"{document}: {path}#{anchor}"
