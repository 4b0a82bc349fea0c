"""The service as a process of its own, for the tests that need a real server."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running_server() -> AsyncIterator[str]:
    """Start `manage.py runserver`, yield its host and port once it answers, and stop it."""
    address = f"127.0.0.1:{free_port()}"
    variables = {"DJANGO_SETTINGS_MODULE": "config.test_settings", "DATABASE_URL": "sqlite://"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", "runserver", "--noreload", address),
        env=os.environ | variables,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        await answering(process, address)
        yield address
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def answering(process: asyncio.subprocess.Process, address: str, seconds: float = 20) -> None:
    """Wait until a connection to the address is accepted."""
    host, port = address.split(":")
    for _ in range(int(seconds * 20)):
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.05)  # nothing announces an open port
        else:
            writer.close()
            return
        if process.returncode is not None and process.stdout:
            raise RuntimeError(f"the server ended: {(await process.stdout.read()).decode()}")
    raise TimeoutError(f"the server does not listen on {address} after {seconds} s")
