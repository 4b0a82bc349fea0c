"""Clients that come back: of socket.js in Node, and in Python."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import uniform
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.processes import program
from tests.installing import missing
from tests.installing import program as path_of

Log = list[tuple[float, int | str]]  # when, and a number or "open", "lost", "gap", "end"
RS = "\x1e"


@dataclass(frozen=True)
class Returning:
    """How many clients in Node and in Python, and how they come back."""

    node: int = 100
    python: int = 30
    longest: float = 2.0  # seconds that each waits at most before it comes back
    resume: bool = True  # from the position that it keeps


class Client:
    """A client in Python; if it resumes, it keeps its position and asks for what comes after it."""

    def __init__(self, url: str, how: Returning, total: int) -> None:
        self.url, self.longest, self.total = url, how.longest, total
        self.position = "" if how.resume else None
        self.log: Log = []
        self.connected, self.finished = asyncio.Event(), asyncio.Event()

    async def stay(self) -> None:
        """Be connected, for ever."""
        while True:
            with suppress(OSError, WebSocketException):
                await self._visit()
            await asyncio.sleep(uniform(0, self.longest))

    async def _visit(self) -> None:
        origin: Any = "/".join(self.url.replace("ws", "http", 1).split("/", 3)[:3])
        url = self.url if self.position is None else f"{self.url}?after={quote(self.position)}"
        async with connect(url, origin=origin, compression=None, proxy=None) as socket:
            self.note("open")
            self.connected.set()
            try:
                async for frame in socket:
                    self.take(str(frame))
            finally:
                self.note("lost")

    def take(self, frame: str) -> None:
        """Note the message, and the position before it."""
        if frame.startswith(RS):
            _, position, *message = frame.split(RS, 2)
            if position.startswith("!"):
                self.note("gap")
            self.position = position.removeprefix("!")
            frame = "".join(message)
        if frame:
            self.note(int(frame))
            if int(frame) >= self.total:
                self.finished.set()

    def note(self, what: int | str) -> None:
        """Add it to the log."""
        self.log.append((time.monotonic(), what))


@dataclass
class Clients:
    """All clients: those in Node by the pipes to them."""

    output: asyncio.StreamReader
    input: asyncio.StreamWriter
    python: list[Client]

    async def connected(self) -> None:
        """Wait until they are, for the first time."""
        async with asyncio.timeout(30):
            assert await self.output.readline(), "the clients in Node have ended"
            for each in self.python:
                await each.connected.wait()

    async def logs(self, seconds: float) -> list[Log]:
        """What each has seen, once all have come to the total, or after so many seconds."""
        told = asyncio.ensure_future(self.output.read())
        finished = [asyncio.ensure_future(each.finished.wait()) for each in self.python]
        await asyncio.wait([told, *finished], timeout=seconds)
        self.input.close()
        for task in finished:
            task.cancel()
        return [*json.loads(await told), *(each.log for each in self.python)]


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel them until they have ended: Python 3.11's `asyncio.wait_for` may swallow one."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1)


@cache
def node() -> list[str]:
    """Node with a WebSocket, which 22 has without the option too."""
    command = [path_of("node"), "--no-warnings", "--experimental-websocket"]
    if subprocess.run([*command, "--eval", ""], capture_output=True, timeout=20).returncode:
        missing("no Node of 20.10 or later")
    return command


@asynccontextmanager
async def returning(url: str, how: Returning, total: int, socket: Path) -> AsyncIterator[Clients]:
    """So many clients, which want so many messages; those in Node use this socket.js."""
    command = [*node(), str(Path(__file__).with_suffix(".mjs")), str(socket), url, str(how.node)]
    command += [str(total), str(1000 * how.longest), "resume" * how.resume]
    python = [Client(url, how, total) for _ in range(how.python)]
    log = socket.with_name("node.log")
    async with program(*command, log=log) as (output, input), asyncio.TaskGroup() as group:
        clients = Clients(output, input, python)
        tasks = [group.create_task(each.stay()) for each in python]
        await clients.connected()
        yield clients
        await end(tasks)
