"""Those who publish numbers to a room while something happens to the service."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from benchmarks.processes import program

PAUSE = 0.05  # seconds between attempts


class Publisher:
    """`published` are out; `errors` has the number of each attempt that failed and was repeated."""

    def __init__(self, rate: int) -> None:
        self.rate, self.published = rate, 0
        self.errors: list[int] = []
        self.progress = asyncio.Event()  # set, and cleared at once, whenever there is some

    async def publish(self) -> None:
        """Publish so many a second, for ever."""
        raise NotImplementedError

    def note(self, number: int) -> None:
        """That it is published."""
        self.published = number + 1
        self.progress.set()
        self.progress.clear()

    async def reach(self, number: int) -> None:
        """Wait until so many are published."""
        limit = 60 + number / self.rate
        try:
            async with asyncio.timeout(limit):
                while self.published < number:
                    await self.progress.wait()
        except TimeoutError:
            message = f"{number} messages, not {self.published}: not within {limit:.0f} s"
            raise TimeoutError(message) from None


class Elsewhere(Publisher):
    """Publishes in a process of its own, by `tell` of a module: see `publisher.py`."""

    def __init__(
        self, rate: int, module: str, project: Path, folder: Path, variables: dict[str, str]
    ) -> None:
        super().__init__(rate)
        python = f"{project}/.venv/bin/python"
        self.command = [python, "-m", "benchmarks.publisher", module, str(rate)]
        self.log = folder / "publisher.log"
        self.options: dict[str, Any] = {"cwd": project, "env": variables}

    async def publish(self) -> None:
        async with program(*self.command, log=self.log, **self.options) as (output, _):
            async for line in output:
                number, *error = line.decode().split(maxsplit=1)
                if error:
                    self.errors.append(int(number))
                else:
                    self.note(int(number))
        raise EOFError(self.log.read_text())


class Member(Publisher):
    """Publishes as a member of the room, which hears what it says: of a service without Redis."""

    def __init__(self, rate: int, url: str) -> None:
        super().__init__(rate)
        self.url = url

    async def publish(self) -> None:
        begin = asyncio.get_running_loop().time()
        while True:
            with suppress(OSError, WebSocketException):
                async with connect(self.url, compression=None, proxy=None) as socket:
                    while True:
                        due = begin + self.published / self.rate
                        await asyncio.sleep(due - asyncio.get_running_loop().time())
                        await self._say(socket)
            await asyncio.sleep(PAUSE)

    async def _say(self, socket: ClientConnection) -> None:
        """Say the next number until it is heard; a failure leaves it in doubt."""
        number = self.published
        try:
            await socket.send(str(number))
            while await socket.recv() != str(number):
                pass
        except WebSocketException:
            self.errors.append(number)
            raise
        self.note(number)
