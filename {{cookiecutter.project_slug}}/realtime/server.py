"""uvicorn: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

import uvicorn
from asgiref.typing import ASGIApplication
from uvicorn.protocols.utils import ClientDisconnected

from realtime.types import Send

MISSING = "ASGI callable returned without completing handshake"
# uvicorn takes a denial response for a missing answer, and logs an error after each.
logging.getLogger("uvicorn.error").addFilter(lambda record: MISSING not in str(record.msg))


def serve(application: ASGIApplication, host: str, port: int) -> None:
    """Serve until the process ends; the service fails to start if its lifespan does."""
    config = uvicorn.Config(application, host, port, lifespan="on", log_config=None)
    uvicorn.Server(config).run()


def on_shutdown(send: Send, shut_down: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it on SIGTERM; uvicorn closes its clients, but waits for one that does not read."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        stop = signal.getsignal(number)
        if isinstance(getattr(stop, "__self__", None), uvicorn.Server):

            def close_and_stop(number: int, frame: FrameType | None, stop: Any = stop) -> None:
                asyncio.run_coroutine_threadsafe(shut_down(), loop)
                stop(number, frame)

            signal.signal(number, close_and_stop)


async def close(send: Send, code: int, reason: str) -> None:
    """Send a close."""
    await send({"type": "websocket.close", "code": code, "reason": reason})


def drop(send: Send) -> None:
    """Drop the TCP connection, and what is still to be sent."""
    protocol = getattr(send, "__self__", None)
    if isinstance(protocol, asyncio.Protocol):
        protocol.transport.abort()  # type: ignore[attr-defined]


def paced(server_send: Send, send: Send) -> Send:
    """A `send` that waits for a client which reads slowly, as uvicorn's own does."""
    return send


def is_gone(error: BaseException) -> bool:
    """Whether `send` raised this, and nothing else, because the client has left."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_gone, error.exceptions))
    return isinstance(error, ClientDisconnected)
