"""`manage.py runserver` on each ASGI server, as a developer uses it."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.installing import Installed, environment, parameter
from tests.rendering import SERVERS
from tests.serving import Running, runserver, wait_for

BLOCKING = "                time.sleep(1.5)\n"


@pytest.fixture(params=[parameter(server, "pytest") for server in SERVERS])
def project(
    request: pytest.FixtureRequest, installed: Callable[[str, str], Installed], tmp_path: Path
) -> Installed:
    """A copy of an installed project that the test may change."""
    return installed(*request.param).copied(tmp_path / "project")


def answer(server: Running) -> str | bytes | None:
    """What the service answers to "ping"; None while it restarts."""
    try:
        with connect(server.url("/ws/"), open_timeout=30) as client:
            client.send("ping")
            return client.recv(timeout=30)
    except (OSError, WebSocketException):
        return None


def shown(server: Running) -> str:
    """The text of the page."""
    text: str = urlopen(f"http://{server.address}/", timeout=30).read().decode()
    return text


def save(path: Path, text: str, awaited: str, seen: Callable[[], bool]) -> None:
    """Save the file, again if nothing comes of it: Django overlooks a change that its reloader
    has not yet seen the file before, which no developer is fast enough for.
    """
    path.write_text(text)
    try:
        wait_for(awaited, seen, 10)
    except TimeoutError:
        path.write_text(text)
        wait_for(awaited, seen)


def test_it_serves_page_static_files_and_websocket_and_says_where(
    project: Installed, tmp_path: Path
) -> None:
    with runserver(project, tmp_path / "log") as server:
        for path in ("/", "/static/admin/css/base.css"):
            assert urlopen(f"http://{server.address}{path}", timeout=30).status == 200
        style = project.project / "config/static/index.css"
        style.write_text("/* changed */")  # which shows at once
        shown = urlopen(f"http://{server.address}/static/index.css", timeout=30).read()
        assert shown == b"/* changed */"
        assert answer(server) == "pong!"
        said = server.log.read_text()
        assert f"http://{server.address}/" in said
        assert server.url("/ws/") in said
        assert "Warning" not in said


def test_a_change_of_the_code_reloads_it_and_an_error_is_survived(
    project: Installed, tmp_path: Path
) -> None:
    loops = project.project / "config/websocket.py"
    code = loops.read_text()
    with runserver(project, tmp_path / "log") as server:
        assert answer(server) == "pong!"
        error = code + "\nthis is no Python\n"
        save(loops, error, "the error", lambda: "SyntaxError" in server.log.read_text())
        changed = code.replace("pong!", "changed")
        save(loops, changed, "the changed loop", lambda: answer(server) == "changed")


def test_a_change_of_env_file_or_template_shows(project: Installed, tmp_path: Path) -> None:
    page, env = project.project / "config/templates/index.html", project.project / ".env"
    with runserver(project, tmp_path / "log") as server, connect(server.url("/ws/")):
        changed = page.read_text().replace("<h1>", "<h1>Changed ")
        save(page, changed, "the new heading", lambda: "<h1>Changed" in shown(server))
        limit = env.read_text() + "\nMAX_CONNECTIONS=1\n"
        save(env, limit, "a reload", lambda: ".env changed, reloading" in server.log.read_text())
        wait_for("the service", lambda: answer(server) == "pong!")
        with connect(server.url("/ws/")):
            assert answer(server) is None


def test_urls_that_fail_are_not_imported_while_the_reloader_lists_modules(
    project: Installed, tmp_path: Path
) -> None:
    broken = """
import sys, threading, time, traceback
time.sleep(1)
frame = sys._current_frames()[threading.main_thread().ident]
print("the reloader is in", [call.name for call in traceback.extract_stack(frame)])
raise RuntimeError("broken")
"""
    loops = project.project / "config/websocket.py"
    with runserver(project, tmp_path / "log") as server:
        save(loops, broken, "its end", lambda: "Exception in thread" in server.log.read_text())
        said = server.log.read_text()
        assert "the reloader is in" in said
        assert "snapshot_files" not in said and "'tick'" not in said and "'run_loop'" not in said


def test_a_loop_that_blocks_the_others_is_named_with_its_line(
    project: Installed, tmp_path: Path
) -> None:
    loops = project.project / "config/websocket.py"
    code = loops.read_text().replace('"text": "ping"}:', '"text": "ping"}:\n' + BLOCKING, 1)
    loops.write_text(f"import time\n{code}")
    line = next(i for i, text in enumerate(loops.read_text().splitlines(), 1) if "sleep" in text)
    name = "config.websocket.ping_pong at /ws/ blocks all clients for 1 s, at "
    with runserver(project, tmp_path / "log") as server:
        for _ in range(2):
            with connect(server.url("/ws/"), open_timeout=30) as client:
                client.send("ping")
                assert client.recv(timeout=30) == "pong!"
        said = f"{name}{loops}:{line}, in ping_pong: {BLOCKING.strip()}"
        wait_for("the line", lambda: said in server.log.read_text(), 5)
        assert server.log.read_text().count("blocks all clients") == 1
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.wait(5)


def test_a_port_in_use_is_said_in_a_line(project: Installed, tmp_path: Path) -> None:
    with runserver(project, tmp_path / "log") as server:
        second = subprocess.run(
            [project.program, "manage.py", "runserver", server.address],
            cwd=project.project,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert second.returncode == 1
        assert second.stderr.splitlines()[-1] == "Error: That port is already in use."
        assert "Traceback" not in second.stderr


def test_a_server_that_is_not_installed_is_said_in_a_line(
    project: Installed, tmp_path: Path
) -> None:
    for module in ("uvicorn", "granian", "hypercorn", "twisted"):
        absent = f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')"
        (tmp_path / f"{module}.py").write_text(absent)
    started = subprocess.run(
        [project.program, "manage.py", "runserver"],
        cwd=project.project,
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert started.returncode == 1
    (line,) = started.stderr.splitlines()
    assert line.startswith("No module named '") and line.endswith("'; uv sync installs it.")


@pytest.mark.parametrize("options", [[], ["--noreload"]], ids=["reload", "noreload"])
def test_ctrl_c_ends_it_with_a_connection_open(
    project: Installed, tmp_path: Path, options: list[str]
) -> None:
    with (
        runserver(project, tmp_path / "log", *options) as server,
        connect(server.url("/ws/")) as client,
    ):
        client.send("ping")
        assert client.recv(timeout=30) == "pong!"
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.wait(5)
        assert "Traceback" not in server.log.read_text()
