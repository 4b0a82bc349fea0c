"""nginx and Caddy in front of a rendered service, configured as its documents say."""

import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPSConnection
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from tests.installing import environment, program
from tests.serving import free_port, started

CLIENT = "127.0.0.2"  # where clients come from; the proxies themselves have 127.0.0.1
MOST = 30  # connections of an address, with nginx
NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
"""
CADDY = """{
    admin off
    auto_https disable_redirects
}
"""


@dataclass
class Proxy:
    """A proxy that speaks TLS on `port`."""

    name: str
    port: int
    plain: int
    context: ssl.SSLContext

    def origin(self) -> str:
        """The origin of its pages."""
        return f"https://localhost:{self.port}"

    def get(self, path: str, **headers: str) -> tuple[int, HTTPMessage, bytes]:
        """Ask for a page; return status, headers and body of the answer."""
        where: dict[str, Any] = {"context": self.context, "source_address": (CLIENT, 0)}
        client = HTTPSConnection("localhost", self.port, timeout=5, **where)
        client.request("GET", path, headers=headers)
        with client.getresponse() as answer:
            return answer.status, answer.headers, answer.read()

    def connect(self, path: str, **options: Any) -> connect:
        """Open a WebSocket."""
        where: dict[str, Any] = {"ssl": self.context, "local_addr": (CLIENT, 0), "proxy": None}
        return connect(f"wss://localhost:{self.port}{path}", **where, **options)


def from_document(project: Path, begin: str, *changes: tuple[str, str]) -> str:
    """The example in docs/production.md that begins so, with changes. Each must find its text."""
    examples = re.split(
        r"^(?=\S)", (project / "docs/production.md").read_text(), flags=re.MULTILINE
    )
    (example,) = (text for text in re.split(r"\n(?=\S)", "\n".join(examples)) if begin in text)
    text = example[example.index(begin) :]
    for old, new in changes:
        assert old in text, f"{old!r} is not in the example"
        text = text.replace(old, new)
    return text


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that it signed itself, and its key."""
    files = folder / "certificate.pem", folder / "key.pem"
    command = f"""{program("openssl")} req -x509 -nodes -days 2 -subj /CN=localhost -newkey ec
        -pkeyopt ec_paramgen_curve:prime256v1 -addext subjectAltName=DNS:localhost
        -out {files[0]} -keyout {files[1]}"""
    subprocess.run(command.split(), check=True, capture_output=True, timeout=20)
    return files


@contextmanager
def proxy(name: str, project: Path, service: str, folder: Path) -> Iterator[Proxy]:
    """Run nginx or Caddy in front of the service at this address, until the block ends."""
    path = program(name)
    folder.mkdir()
    port, plain = free_port(), free_port()
    public, private = certificate(folder)
    upstream = ("127.0.0.1:8000", service)
    if name == "nginx":
        (folder / "nginx.conf").write_text(NGINX)
        site = from_document(
            project,
            "map $http_upgrade",
            upstream,
            ("/etc/ssl/example.com.crt", str(public)),
            ("/etc/ssl/private/example.com.key", str(private)),
            ("example.com", "localhost"),
            ("listen 80;", f"listen 127.0.0.1:{plain};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
            ("proxy_read_timeout 60s;", "proxy_read_timeout 4s;"),
        )
        limits = from_document(project, "limit_conn_zone", ("addresses 100;", f"addresses {MOST};"))
        zone, limit = limits.split("\n\n", 1)
        site = site.replace("server {", f"{zone}\nserver {{", 1)
        site = site.replace("location / {", f"location / {{\n{limit}", 1)
        (folder / "site.conf").write_text(site)
        command = [path, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    else:
        tls = f"https://localhost:{port} {{\n    tls {public} {private}"
        site = from_document(project, "example.com {", upstream, ("example.com {", tls))
        (folder / "Caddyfile").write_text(CADDY + site)
        command = [path, "run", "--config", str(folder / "Caddyfile")]
    variables = environment(HOME=str(folder), XDG_CONFIG_HOME="", XDG_DATA_HOME="")
    with started(command, port, folder / "log", cwd=folder, env=variables):
        yield Proxy(name, port, plain, ssl.create_default_context(cafile=public))
