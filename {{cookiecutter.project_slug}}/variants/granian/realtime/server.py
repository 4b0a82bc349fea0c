"""granian: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from realtime.types import Event, Receive, Send, Step
from realtime.wrappers import behind

LINGER = 0.5  # seconds in which granian sends a close
ASK = 0.02  # seconds for granian to say that the client has left


def serve(application: Any, host: str, port: int) -> None:
    """Serve until the process ends."""
    server = Server(
        application, address=host, port=port, interface=Interfaces.ASGI, log_access=True
    )
    asyncio.run(server.serve())


def protocol(send: Send) -> Any:
    """granian's object for the connection; None in a test."""
    found = (one for one in behind(send) if type(one).__module__.startswith("granian"))
    return next(found, None)


def writer(protocol: Any, send: Send) -> Callable[[Event], bool] | None:
    """What writes a message at once, if there is room; the server has no way to do that."""
    return None


def adopt(protocol: Any, send: Send) -> Send:
    """The `send` for a connection: one that waits for a client which reads slowly."""
    return send


def on_shutdown(protocol: Any, drain: Step, shut_down: Step) -> None:
    """Run both on SIGTERM, at which granian drops its clients.

    granian takes SIGINT as it takes SIGTERM, and gets that one when they are closed.
    """
    if not protocol:
        return  # a test

    async def close_and_stop() -> None:
        await drain()
        await shut_down()
        signal.raise_signal(signal.SIGINT)

    loop = asyncio.get_running_loop()
    if threading.current_thread() is threading.main_thread():
        with suppress(NotImplementedError):  # Windows, where no process gets a SIGTERM
            loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(close_and_stop()))


async def close(send: Send, protocol: Any, code: int, reason: str) -> None:
    """Send a close. After one from outside wait: granian may drop the client otherwise."""
    await send({"type": "websocket.close", "code": code, "reason": reason})
    task = asyncio.current_task()
    if task and task.cancelling() and protocol:
        await asyncio.sleep(LINGER)


def drop(protocol: Any) -> None:
    """granian drops the TCP connection of a task that ends."""


def is_gone(error: BaseException, protocol: Any) -> bool:
    """granian's `send` is silent where the client has left."""
    return False


def is_lost(protocol: Any) -> bool:
    """Whether the client has left without a word of the server's; granian tells `receive`."""
    return False


async def has_left(protocol: Any, receive: Receive) -> bool:
    """Whether the client has left: after its protocol error our close would go out for granian's.

    Once it has left, `receive` says so at once, and again and again.
    """
    if protocol:
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK):
                return bool((await receive())["type"] == "websocket.disconnect")
    return False
