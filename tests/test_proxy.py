"""Each ASGI server with production settings, behind nginx and Caddy as the documents say."""

import asyncio
import gzip
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.clients import status
from tests.documents import block
from tests.installing import Installed, apart, parameter, program
from tests.proxies import CLIENT, MOST, Proxy, proxy
from tests.rendering import FOLDER, SERVERS, TEMPLATE
from tests.serving import Running, serving

PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "a key for this test, with enough different characters: 0123456789",
    "ALLOWED_HOSTS": "localhost",
    "DJANGO_SETTINGS_MODULE": "extra_proxy_settings",
}
FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Real-IP": "203.0.113.9"}
PROXIES = ("nginx", "caddy")
# In a network of its own: loads the rules, and makes one connection more than they let in.
COUNT = """
import socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run([sys.argv[1], "--file", "-"], input=sys.argv[2].encode(), check=True)
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = socket.create_server((address, 443), family=family)
    held = [socket.create_connection((address, 443), timeout=30) for _ in range(int(sys.argv[3]))]
    try:
        socket.create_connection((address, 443), timeout=30)
    except ConnectionRefusedError:
        print(address, "refused")
"""
Answer = tuple[int, HTTPMessage, bytes]


def test_the_system_refuses_more_connections_of_an_address_than_its_rules_say() -> None:
    rules = block(TEMPLATE / FOLDER / "docs/production.md", "table inet clients")
    script = [
        sys.executable,
        "-c",
        COUNT,
        program("nft"),
        rules.replace("100", str(MOST)),
        str(MOST),
    ]
    done = subprocess.run([*apart(), *script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "127.0.0.1 refused\n::1 refused\n", done.stderr


@pytest.fixture(scope="module", params=[parameter(server, "pytest") for server in SERVERS])
def project(
    request: pytest.FixtureRequest, installed: Callable[[str, str], Installed]
) -> tuple[str, Installed]:
    """A project whose static files are collected."""
    project = installed(*request.param)
    settings = {name: value for name, value in PRODUCTION.items() if "SETTINGS" not in name}
    project.run("manage.py", "collectstatic", "--no-input", "--verbosity", "0", **settings)
    return request.param[0], project


@pytest.fixture(scope="module")
def service(
    project: tuple[str, Installed], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Its service."""
    log = tmp_path_factory.mktemp("service") / "log"
    with serving(project[1], project[0], log, **PRODUCTION) as running:
        yield running


@pytest.fixture(scope="module")
def fronts(
    project: tuple[str, Installed], service: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Proxy]]:
    """The proxies in front of it."""
    folder = tmp_path_factory.mktemp("proxies")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                proxy(name, project[1].project, service.address, folder / name)
            )
            for name in PROXIES
        }


async def first(front: Proxy, path: str, *says: str, **options: Any) -> str | bytes:
    """The first message to a client, which may have said something."""
    async with asyncio.timeout(10), front.connect(path, **options) as client:
        for text in says:
            await client.send(text)
        return await client.recv()


async def end(client: ClientConnection) -> tuple[int, str] | None:
    """Code and reason of the service's close; None for a connection that just broke."""
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    return (closed.value.rcvd.code, closed.value.rcvd.reason) if closed.value.rcvd else None


@pytest.mark.parametrize("name", PROXIES)
def test_a_page_and_a_socket_are_secure_and_come_from_the_client_whatever_it_forges(
    fronts: dict[str, Proxy], name: str
) -> None:
    front = fronts[name]
    expected = {
        "secure": True,
        "address": CLIENT,
        "client": CLIENT,
        "host": f"localhost:{front.port}",
    }
    for headers in ({}, FORGED):
        status, _, body = front.get("/seen/", **headers)
        assert (status, json.loads(body)) == (200, expected)
        origin = Origin(front.origin())
        told = asyncio.run(first(front, "/seen/", origin=origin, additional_headers=headers))
        assert json.loads(told) == expected


@pytest.mark.parametrize("name", PROXIES)
def test_metrics_are_for_those_behind_the_proxy(
    fronts: dict[str, Proxy], service: Running, name: str
) -> None:
    assert fronts[name].get("/metrics")[0] == 404
    assert status(service, "/metrics") == 200


@pytest.mark.parametrize("name", PROXIES)
def test_the_page_its_static_files_and_its_socket_are_there(
    fronts: dict[str, Proxy], name: str
) -> None:
    front = fronts[name]
    status, headers, _ = front.get("/")
    assert status == 200
    assert headers["Strict-Transport-Security"] == "max-age=2592000"
    for path in ("index.css", "realtime/socket.js", "admin/css/base.css"):
        assert front.get(f"/static/{path}")[0] == 200
    assert front.get("/static/nothing.css")[0] == 404
    assert asyncio.run(first(front, "/ws/", "ping", origin=Origin(front.origin()))) == "pong!"


def ask(service: Running, path: str, method: str = "GET", **headers: str) -> Answer:
    """Ask the service itself; return status, headers and body of its answer."""
    client = HTTPConnection(service.address, timeout=30)
    client.request(method, path, headers={"Host": "localhost"} | headers)
    with client.getresponse() as answer:
        return answer.status, answer.headers, answer.read()


def test_static_files_are_compressed_and_cached_for_ever_by_names_with_a_hash(
    service: Running,
) -> None:
    page = ask(service, "/")[2].decode()
    named = re.findall(r'="(/static/[^"]+)"', page)
    script = next(path for path in named if path.endswith(".js"))
    _, _, whole = ask(service, script)
    imported = re.findall(r'from "\./(realtime/socket\.[^"]+)"', whole.decode())
    for path in [*named, *[f"/static/{name}" for name in imported]]:
        assert re.search(r"\.[0-9a-f]{12}\.(css|js|svg)$", path)
        assert "immutable" in ask(service, path)[1]["Cache-Control"]
    assert len(named) == 3 and len(imported) == 1
    _, headers, compressed = ask(service, script, **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip" and gzip.decompress(compressed) == whole
    status, headers, body = ask(service, script, "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(whole)), b"")
    assert ask(service, script, Range="bytes=2-5")[::2] == (206, whole[2:6])
    again = {"If-None-Match": headers["ETag"]}
    assert ask(service, script, **again)[::2] == (304, b"")
    bare = ask(service, "/static/index.js")[1]["Cache-Control"]
    assert bare == "max-age=60, public"
    for path in ("/static/../manage.py", "/static/%2e%2e/manage.py", "/static/", "/static"):
        assert ask(service, path)[0] == 404


@pytest.mark.parametrize("name", PROXIES)
def test_a_page_of_another_origin_may_not_connect(fronts: dict[str, Proxy], name: str) -> None:
    front = fronts[name]
    for origin in ("https://evil.example", "https://localhost", f"http://localhost:{front.port}"):
        with pytest.raises(InvalidStatus) as refused:
            asyncio.run(first(front, "/ws/", origin=Origin(origin)))
        assert refused.value.response.status_code == 403


def test_who_is_no_proxy_is_not_believed_and_of_a_chain_the_last(service: Running) -> None:
    for peer, said, address in (
        (CLIENT, "203.0.113.9", CLIENT),
        ("127.0.0.1", f"203.0.113.9, {CLIENT}", CLIENT),
    ):
        host, port = service.address.split(":")
        client = HTTPConnection(host, int(port), timeout=5, source_address=(peer, 0))
        client.request("GET", "/seen/", headers={"Host": "localhost", "X-Forwarded-For": said})
        with client.getresponse() as answer:
            assert json.loads(answer.read())["address"] == address


def test_an_address_has_so_many_connections_and_no_more(fronts: dict[str, Proxy]) -> None:
    async def refused() -> int:
        async with asyncio.timeout(20), AsyncExitStack() as stack:
            for _ in range(MOST):
                await stack.enter_async_context(fronts["nginx"].connect("/ws/"))
            with pytest.raises(InvalidStatus) as refused:
                await stack.enter_async_context(fronts["nginx"].connect("/ws/"))
            return refused.value.response.status_code

    assert asyncio.run(refused()) == 429


def test_plain_http_is_sent_to_https(
    fronts: dict[str, Proxy],
) -> None:
    front = fronts["nginx"]
    client = HTTPConnection("127.0.0.1", front.plain, timeout=30)
    client.request("GET", "/ws/?a=b", headers={"Host": "localhost"})
    with client.getresponse() as answer:
        assert (answer.status, answer.headers["Location"]) == (301, "https://localhost/ws/?a=b")


def test_an_idle_socket_lives_through_the_time_out_by_its_heartbeat(
    fronts: dict[str, Proxy],
) -> None:
    front = fronts["nginx"]

    async def silent_client() -> None:
        async with front.connect("/ws/", ping_interval=None) as silent:
            with pytest.raises(ConnectionClosed):
                await silent.recv()

    async def scenario() -> None:
        async with asyncio.timeout(20), front.connect("/ws/", ping_interval=None) as living:
            end = asyncio.create_task(silent_client())
            while not end.done():
                await asyncio.wait({end}, timeout=1)
                await living.send("ping")
                assert await living.recv() == "pong!"
            await end

    asyncio.run(scenario())


@pytest.mark.parametrize("name", PROXIES)
def test_sigterm_at_the_service_gives_every_client_a_close(
    name: str, project: tuple[str, Installed], tmp_path: Path
) -> None:
    server, installed = project
    with (
        serving(installed, server, tmp_path / "log", **PRODUCTION) as stopping,
        proxy(name, installed.project, stopping.address, tmp_path / "proxy") as front,
    ):

        async def ends() -> Counter[tuple[int, str] | None]:
            async with asyncio.timeout(20), AsyncExitStack() as stack:
                clients = [
                    await stack.enter_async_context(front.connect("/ws/")) for _ in range(20)
                ]
                stopping.process.send_signal(signal.SIGTERM)
                return Counter([await end(client) for client in clients])

        assert asyncio.run(ends()) == {(1012, "service restart"): 20}
        assert stopping.process.wait(10) in {0, -signal.SIGTERM}
        assert front.get("/")[0] == 502
