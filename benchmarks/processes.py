"""Programs that run while something happens: processes of a service, and those that use it."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.serving import started


class Process:
    """A process of the service, that can be ended and started again."""

    running: subprocess.Popen[bytes]

    def __init__(
        self, command: list[str], port: int, project: Path, folder: Path, variables: dict[str, str]
    ) -> None:
        self.command, self.port, self.folder = command, port, folder
        self.options: dict[str, Any] = {"cwd": project, "env": variables}
        self.starts, self.stack = 0, ExitStack()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.starts += 1
        log = self.folder / f"{self.port}-{self.starts}.log"
        serves = started(self.command, self.port, log, **self.options)
        self.running = self.stack.enter_context(serves)

    def end(self, number: signal.Signals) -> None:
        """End it by the signal; wait until it has ended."""
        self.running.send_signal(number)
        self.running.wait(30)
        self.stack.close()  # with what it has left behind


@asynccontextmanager
async def program(
    *command: str | Path, log: Path, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Run a program which ends by itself, but no longer than the block if that raises.

    Its output and its input are given; its errors go to the log.
    """
    pipe = asyncio.subprocess.PIPE
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=errors, **options
        )
    assert process.stdout and process.stdin
    try:
        yield process.stdout, process.stdin
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        raise
    finally:
        await process.wait()
