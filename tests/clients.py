"""Many clients at once, and such as do not behave."""

import fcntl
import json
import os
import re
import socket
import struct
import termios
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from websockets.asyncio.client import ClientConnection, connect
from websockets.sync.client import ClientConnection as ClientOfATest

from tests.serving import HANDSHAKE, Running, wait_for


def visit(server: Running, path: str, **headers: str) -> Any:
    """Ask for a page; return what it holds, JSON or nothing."""
    with urlopen(Request(f"http://{server.address}{path}", headers=headers), timeout=30) as answer:
        return json.loads(answer.read() or "null")


def wait_for_connections(server: Running, number: int, seconds: float = 60) -> None:
    """Wait until so many are open. Raises TimeoutError that tells how many are, and its log."""

    def counted() -> int:
        return int(visit(server, "/healthz")["connections"])

    wait_for(
        f"{number} connections",
        lambda: counted() == number,
        seconds,
        lambda: f"{counted()}\n{server.log.read_text()}",
    )


def status(server: Running, path: str) -> int:
    """The status of a page, asked for on a TCP connection of its own."""
    try:
        with urlopen(f"http://{server.address}{path}", timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def measured(server: Running) -> dict[str, float]:
    """What Prometheus would note, by the name and the labels' values."""
    with urlopen(f"http://{server.address}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    samples = [re.fullmatch(r'(\w+)(?:{\w+="(\w+)"})? (\S+)', line) for line in lines]
    return {f"{found[1]} {found[2] or ''}".strip(): float(found[3]) for found in samples if found}


@asynccontextmanager
async def crowd(server: Running, path: str, number: int) -> AsyncIterator[list[ClientConnection]]:
    """Connected clients."""
    async with AsyncExitStack() as stack:
        url = server.url(path)
        yield [
            await stack.enter_async_context(connect(url, max_queue=None, compression=None))
            for _ in range(number)
        ]


def by_hand(server: Running, path: str, *more: bytes) -> socket.socket:
    """A client that sends its handshake and more right behind it, and reads nothing by itself."""
    host, port = server.address.split(":")
    client = socket.create_connection((host, int(port)), timeout=30)
    lines = [f"GET {path} HTTP/1.1", f"Host: {server.address}"]
    lines += [f"{name}: {value}" for name, value in HANDSHAKE.items()]
    client.sendall("\r\n".join([*lines, "", ""]).encode() + b"".join(more))
    return client


def frame(opcode: int, payload: bytes, *, last: bool = True) -> bytes:
    """A frame of a client (RFC 6455, section 5.2), masked with zeros."""
    return bytes([(0x80 if last else 0) | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def pour(client: socket.socket, data: bytes, most: int) -> None:
    """Send this again and again, so many bytes or until nobody takes any for a while."""
    client.settimeout(3)
    with suppress(TimeoutError):
        for _ in range(most // len(data)):
            client.sendall(data)


def open_still(client: ClientOfATest) -> bool:
    """Whether a connection to ping/pong is open."""
    client.send("ping")
    return client.recv(timeout=30) == "pong!"


def wait_until_full(client: socket.socket) -> None:
    """Wait until what waits for the client grows no more."""
    sizes = [0]

    def full() -> bool:
        (size,) = struct.unpack("i", fcntl.ioctl(client, termios.FIONREAD, b"0000"))
        sizes.append(size)
        return len(sizes) > 20 and len(set(sizes[-20:])) == 1 and size > 10_000

    wait_for("a full buffer", full)


def read_to_the_end(client: socket.socket) -> bytes:
    """The last bytes that the client gets."""
    last = b""
    while data := client.recv(1 << 20):
        last = (last + data)[-100:]
        if b"\x88" in last[-60:]:
            break
    return last


def processes(server: Running) -> Iterator[Path]:
    """The processes of the server, as folders of proc(5)."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):  # it has ended
            if os.getpgid(int(path.name)) == server.process.pid:
                yield path


def memory(server: Running, line: str = "VmHWM") -> int:
    """The bytes that the greatest process of the server has had at most; or has, with VmRSS."""
    statuses = [(path / "status").read_text() for path in processes(server)]
    return max(int(status.split(f"{line}:")[1].split()[0]) * 1024 for status in statuses)


def holds(server: Running, file: Path) -> bool:
    """Whether a process of the server has the file open."""
    for link in [link for path in processes(server) for link in (path / "fd").iterdir()]:
        with suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(link) == str(file):
                return True
    return False


def calm_state(server: Running) -> Any:
    """What there is of each thing, once threads and tasks that are no longer needed have ended."""
    states: list[Any] = [None] * 30

    def calm() -> bool:
        time.sleep(0.1)
        states.append(visit(server, "/state/"))
        return all(state == states[-1] for state in states[-30:])

    wait_for("three seconds without a change", calm)
    return states[-1]
