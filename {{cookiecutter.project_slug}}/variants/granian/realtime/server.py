"""granian: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from realtime.types import Send

LINGER = 0.25  # seconds in which granian sends a close


def serve(application: Any, host: str, port: int) -> None:
    """Serve until the process ends."""
    server = Server(
        application, address=host, port=port, interface=Interfaces.ASGI, log_access=True
    )
    asyncio.run(server.serve())


def on_shutdown(send: Send, shut_down: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it on SIGTERM, at which granian drops its clients.

    granian takes SIGINT as it takes SIGTERM, and gets that one when they are closed.
    """
    if not is_granians(send):
        return  # a test

    async def close_and_stop() -> None:
        await shut_down()
        signal.raise_signal(signal.SIGINT)

    loop = asyncio.get_running_loop()
    if threading.current_thread() is threading.main_thread():
        with suppress(NotImplementedError):  # Windows, where no process gets a SIGTERM
            loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(close_and_stop()))


async def close(send: Send, code: int, reason: str) -> None:
    """Send a close. After one from outside wait: granian may drop the client otherwise."""
    await send({"type": "websocket.close", "code": code, "reason": reason})
    task = asyncio.current_task()
    if task and task.cancelling() and is_granians(send):
        await asyncio.sleep(LINGER)


def is_granians(send: Send) -> bool:
    """Whether it is a server's `send`, and not a test's."""
    return type(getattr(send, "__self__", None)).__module__.startswith("granian")


def drop(send: Send) -> None:
    """granian drops the TCP connection of a task that ends."""


def paced(server_send: Send, send: Send) -> Send:
    """A `send` that waits for a client which reads slowly, as granian's own does."""
    return send


def is_gone(error: BaseException) -> bool:
    """granian's `send` is silent where the client has left."""
    return False
