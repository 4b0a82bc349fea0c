"""hypercorn: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from hypercorn.asyncio import serve as hypercorn
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.typing import ASGIFramework

from realtime.types import Send

watchers: set[asyncio.Task[None]] = set()


def serve(application: ASGIFramework, host: str, port: int) -> None:
    """Serve until the process ends."""
    config = Config()
    config.bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    config.accesslog = logging.getLogger("hypercorn.access")
    config.errorlog = logging.getLogger("hypercorn.error")
    asyncio.run(hypercorn(application, config, shutdown_trigger=asyncio.Event().wait))


def on_shutdown(send: Send, shut_down: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it when hypercorn stops, as it would wait until its clients leave."""
    stream: Any = getattr(send, "__self__", None)
    if isinstance(stream, WSStream):

        async def watch() -> None:
            await stream.context.terminated.wait()
            await shut_down()

        watcher = asyncio.get_running_loop().create_task(watch())
        watchers.add(watcher)


async def close(send: Send, code: int, reason: str) -> None:
    """Send a close."""
    await send({"type": "websocket.close", "code": code, "reason": reason})


def drop(send: Send) -> None:
    """Drop the TCP connection, and what is still to be sent; HTTP/2 shares it with others."""
    stream = getattr(send, "__self__", None)
    protocol = vars(stream)["send"].__self__ if isinstance(stream, WSStream) else None
    if isinstance(protocol, H11Protocol):
        vars(protocol)["send"].__self__.writer.transport.abort()


def paced(server_send: Send, send: Send) -> Send:
    """A `send` that waits for a client which reads slowly, as hypercorn's own does."""
    return send


def is_gone(error: BaseException) -> bool:
    """hypercorn's `send` is silent where the client has left."""
    return False
