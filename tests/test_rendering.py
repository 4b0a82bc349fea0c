"""What each combination of options renders."""

import itertools
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rendering import CIS, SERVERS, TEST_SETUPS, render

FILES = {
    "common": """
        .dockerignore .env .env.example .gitattributes .gitignore .pre-commit-config.yaml
        .python-version .template.json AGENTS.md Dockerfile README.md
        compose.yaml manage.py pyproject.toml
        config/__init__.py config/asgi.py config/environment.py config/logging.json
        config/postgres.py config/storage.py
        config/settings.py config/static/icon.svg config/static/index.css config/static/index.js
        config/templates/index.html config/templates/login.html config/urls.py
        config/websocket.py config/test_settings.py
        docs/browser.md docs/connections.md docs/database.md docs/messages.md docs/production.md
        docs/servers.md
        realtime/README.md realtime/__init__.py realtime/apps.py realtime/asgi.py
        realtime/backends/__init__.py realtime/backends/memory.py realtime/backends/redis.py
        realtime/backends/stream.py realtime/broadcast.py realtime/channels.py
        realtime/checks.py realtime/closing.py realtime/connections.py realtime/database.py
        realtime/debugging.py realtime/handshake.py realtime/health.py realtime/lifespan.py
        realtime/limits.py realtime/tests/test_limits.py
        realtime/tickets.py realtime/tests/test_tickets.py
        realtime/presence.py realtime/backends/presence.py realtime/tests/test_presence.py
        realtime/tests/test_redis_presence.py
        realtime/logins.py realtime/logs.py realtime/metrics.py realtime/wrappers.py
        realtime/management/commands/runserver.py
        realtime/messages.py realtime/tests/test_messages.py
        realtime/outbox.py realtime/proxy.py realtime/resuming.py realtime/server.py
        realtime/sockets.py
        realtime/static/realtime/socket.js realtime/testing.py realtime/types.py
        realtime/tests/__init__.py realtime/tests/service.py
        realtime/tests/test_asgi.py realtime/tests/test_broadcast.py
        realtime/tests/test_checks.py realtime/tests/test_closing.py
        realtime/tests/test_connections.py realtime/tests/test_database.py
        realtime/tests/test_debugging.py realtime/tests/test_health.py
        realtime/tests/test_handshake.py realtime/tests/test_lifespan.py
        realtime/tests/test_logins.py
        realtime/tests/test_proxy.py realtime/tests/test_redis.py
        realtime/tests/test_redis_resuming.py realtime/tests/test_resuming.py
        realtime/tests/test_state.py
        realtime/tests/test_testing.py
        tests/__init__.py tests/server.py tests/test_page.py
        tests/test_server.py tests/test_service.py tests/test_websocket.py
        users/__init__.py users/admin.py users/models.py users/tests.py
        users/migrations/0001_initial.py users/migrations/__init__.py
    """,
    "hypercorn": "config/hypercorn.py",
    "pytest": "pytest.ini conftest.py",
    "github": ".github/workflows/ci.yml .github/dependabot.yml",
    "gitlab": ".gitlab-ci.yml",
}
PARSERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".json": json.loads,
}


@pytest.fixture(
    scope="module",
    params=itertools.product(SERVERS, TEST_SETUPS, CIS),
    ids=lambda combination: "-".join(combination),
)
def combination(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """One of all combinations of options."""
    chosen: tuple[str, str, str] = request.param
    return chosen


@pytest.fixture(scope="module")
def project(combination: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project rendered with it."""
    asgi_server, test_setup, ci = combination
    folder = tmp_path_factory.mktemp("-".join(combination))
    return render(folder, asgi_server=asgi_server, test_setup=test_setup, ci=ci)


def texts(project: Path) -> dict[str, str]:
    """The text of every file by its path."""
    return {
        path.relative_to(project).as_posix(): path.read_bytes().decode()
        for path in project.rglob("*")
        if path.is_file()
    }


def test_exactly_the_expected_files_are_there(
    project: Path, combination: tuple[str, str, str]
) -> None:
    expected = " ".join(FILES.get(part, "") for part in ("common", *combination)).split()
    assert sorted(texts(project)) == sorted(expected)


def test_what_begins_as_a_program_can_be_run_as_one(project: Path) -> None:
    for path, text in texts(project).items():
        assert os.access(project / path, os.X_OK) == text.startswith("#!"), path


def test_no_jinja_is_left(project: Path) -> None:
    for path, text in texts(project).items():
        assert "cookiecutter" not in text, path
        if not path.endswith((".html", ".js", ".yml", "README.md")):  # which have such of their own
            assert not re.search(r"{{|{%|{#", text), path


def test_white_space_is_tidy(project: Path) -> None:
    for path, text in texts(project).items():
        assert "\r" not in text, path
        assert "\t" not in text, path
        assert not re.search(r"[ ]+$", text, re.MULTILINE), path
        assert "\n\n\n\n" not in text, path
        assert not text or re.search(r"[^\n]\n\Z", text), path
        if not path.endswith(".py"):
            assert not re.search(r"\n\n\n(?!    )", text), path  # but in a block of code


def test_every_data_file_parses(project: Path) -> None:
    for path, text in texts(project).items():
        if parse := PARSERS.get(Path(path).suffix):
            parse(text)


def test_ruff_finds_nothing(project: Path) -> None:
    for command in (["check"], ["format", "--check"]):
        subprocess.run(["ruff", *command, "--no-cache", "."], cwd=project, check=True)


def test_no_python_file_is_long(project: Path) -> None:
    for path, text in texts(project).items():
        if path.endswith(".py"):
            assert text.count("\n") <= 300, path


def test_its_notes_for_agents_are_short_and_name_what_is_there(project: Path) -> None:
    notes = (project / "AGENTS.md").read_text("utf-8")
    assert notes.count("\n") <= 30
    assert max(map(len, notes.splitlines())) <= 100
    named = re.findall(r"`([\w./]+/|[\w./]+\.(?:py|md|example))`", notes)
    assert len(named) > 8
    for path in named:
        assert (project / path).exists(), path
