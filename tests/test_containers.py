"""The Dockerfile and compose.yaml of a rendered project: valid, and they do what they say."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import expect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.browser import chromium, problems
from tests.containers import CHECK, Stage, build
from tests.installing import NEWEST, environment, version
from tests.rendering import CONTEXT, SERVERS, render
from tests.serving import WORKERS, free_port, started, wait_for

ENVIRONMENT = {
    "SECRET_KEY": "a key for this test, with enough different characters: 0123456789",
    "ALLOWED_HOSTS": ".example.com,localhost",
    "DATABASE_URL": "sqlite:////tmp/db.sqlite3",
    "REDIS_URL": "redis://localhost:6379/0",
}
LIMITS = {
    "uvicorn": {"WEB_CONCURRENCY": "2", "PERMESSAGE_DEFLATE": "true"},
    "granian": {"GRANIAN_WORKERS": "2"},
    "hypercorn": {"WEB_CONCURRENCY": "2", "PERMESSAGE_DEFLATE": "true"},
    "daphne": {},
}


@dataclass
class Container:
    """A container that listens on `port`."""

    port: int
    log: Path
    process: int
    healthy: Callable[[], bool]


@contextmanager
def running(image: Stage, log: Path, **variables: str) -> Iterator[Container]:
    """Run the image as a user without rights on a read-only file system, until the block ends."""
    port = free_port()

    def healthy() -> bool:
        command = [*image.sandbox(), *image.health]
        return not subprocess.run(
            command, env=variables, capture_output=True, timeout=20
        ).returncode

    variables = ENVIRONMENT | variables | {"HOME": "/", "PORT": str(port)}
    command = [part.replace("0.0.0.0", "127.0.0.1") for part in image.command]
    assert not healthy()
    reader, writer = os.pipe()
    sandbox = image.sandbox("--as-pid-1", "--info-fd", str(writer))
    options: dict[str, Any] = {"env": variables, "pass_fds": [writer]}
    with started([*sandbox, *command], port, log, **options):
        os.close(writer)
        with os.fdopen(reader) as told:
            yield Container(port, log, json.load(told)["child-pid"], healthy)


@pytest.mark.parametrize("server", SERVERS)
def test_linters_find_nothing(server: str, tmp_path: Path) -> None:
    project = render(tmp_path, asgi_server=server)
    schema = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    for command in (["hadolint", "Dockerfile"], schema):
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("server", SERVERS)
def test_compose_sets_what_the_service_requires_and_passes_its_limits_on(
    server: str, tmp_path: Path
) -> None:
    project = render(tmp_path, asgi_server=server)
    web = yaml.safe_load((project / "compose.yaml").read_text())["services"]["web"]
    assert {*ENVIRONMENT, *LIMITS[server]} <= web["environment"].keys()
    documents = "".join(path.read_text("utf-8") for path in (project / "docs").iterdir())
    for variable in {*web["environment"], *CONTEXT["_servers"][server]["variables"]}:
        assert f"`{variable}`" in documents


def test_compose_and_the_example_of_an_environment_know_the_same_variables(tmp_path: Path) -> None:
    project = render(tmp_path)
    compose = (project / "compose.yaml").read_text()
    web = yaml.safe_load(compose)["services"]["web"]["environment"]
    theirs = {*CONTEXT["_servers"]["uvicorn"]["variables"]}
    asked = {*re.findall(r"\$\{(\w+)", compose)}
    example = (project / ".env.example").read_text()
    assert {*re.findall(r"^#?(\w+)=", example, re.MULTILINE)} == {"DEBUG"} | asked | {*web} - theirs


def test_its_proxy_is_trusted_where_docker_and_podman_put_it(tmp_path: Path) -> None:
    service = yaml.safe_load((render(tmp_path) / "compose.yaml").read_text())["services"]["web"]
    networks = service["environment"]["FORWARDED_ALLOW_IPS"].split(",")
    for address in ("172.17.0.2", "172.31.0.2", "192.168.16.2", "10.88.0.2", "10.89.255.2"):
        assert any(ip_address(address) in ip_network(network) for network in networks), address
    for address in ("8.8.8.8", "10.0.0.2", "10.90.0.2"):  # clients, perhaps
        assert not any(ip_address(address) in ip_network(network) for network in networks), address


def test_without_a_lock_file_the_build_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="uv lock"):
        build(render(tmp_path, __python=version(NEWEST)), tmp_path / "stages")


@pytest.mark.parametrize("name", SERVERS)
def test_an_image_serves_is_healthy_keeps_its_limits_stops_and_holds_no_secret(
    name: str, tmp_path: Path
) -> None:
    project = render(tmp_path, asgi_server=name, __python=version(NEWEST))
    (project / "db.sqlite3").touch()
    for path in (project, *project.rglob("*")):  # as under a umask of 077
        path.chmod(path.stat().st_mode & 0o700)
    subprocess.run(
        ["uv", "lock", "--quiet"], cwd=project, env=environment(), timeout=60, check=True
    )
    stages = build(project, tmp_path / "stages")
    image = stages[""]
    assert image.user not in {"0", "root"}
    there = {path.name for path in (image.root / "app").iterdir()}
    assert {"manage.py", "config", "realtime", "staticfiles", ".venv"} <= there
    assert not there & {".env", ".github", "tests", "db.sqlite3"}
    variables = {"SECRET_KEY": "of-no-use", "HOME": "/"}
    subprocess.run([*image.sandbox(), *CHECK], env=variables, timeout=20, check=True)
    for path in (image.root / "app").rglob("*"):
        needed = 0o055 if path.is_dir() else 0o044
        assert path.is_symlink() or path.stat().st_mode & needed == needed, path

    def client(port: int) -> connect:
        where: dict[str, Any] = {"host": "127.0.0.1", "proxy": None}
        return connect(f"ws://www.example.com:{port}/ws/", **where)

    async def scenario(service: Container) -> None:
        async with asyncio.timeout(20), client(service.port) as quiet:
            await quiet.send("ping")
            assert await quiet.recv() == "pong!"
            extensions = [extension.name for extension in quiet.protocol.extensions]
            assert bool(extensions) == ("PERMESSAGE_DEFLATE" in LIMITS[name])
            if name != "granian":
                async with client(service.port) as talker:
                    await talker.send("x" * 1000)
                    await talker.send("ping")
                    assert await talker.recv() == "pong!"
                    await talker.send("x" * 1001)
                    assert await code(talker) == 1009
            os.kill(service.process, signal.SIGTERM)  # as `docker stop` does
            assert await code(quiet) == 1012

    variables = LIMITS[name] | {"MAX_MESSAGE_SIZE": "1000"}
    with running(image, tmp_path / "log", **variables) as service:
        wait_for("a healthy service", service.healthy, 60)
        press_ping(f"http://localhost:{service.port}/")
        _, word = WORKERS.get(name, ("", ""))
        wait_for("workers", lambda: not word or service.log.read_text().count(word) == 2)
        asyncio.run(scenario(service))
        wait_for("the end", lambda: not Path(f"/proc/{service.process}").exists(), 10)
        assert not service.healthy()
        assert "Traceback" not in service.log.read_text()


def press_ping(url: str) -> None:
    """Open the page, which has its style and its scripts without a proxy, and press "Ping"."""
    with chromium() as browser:
        page = browser.new_page()
        said = problems(page)
        page.goto(url)
        expect(page.locator("#room-state")).to_have_text("Connected")
        page.get_by_role("button", name="Ping").click()
        expect(page.locator("#answer")).to_contain_text("pong!")
        assert page.evaluate("document.styleSheets[0].cssRules.length") > 0
        assert said == []


async def code(client: ClientConnection) -> int | None:
    """The code with which the service closes."""
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None
