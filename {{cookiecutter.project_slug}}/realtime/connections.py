"""The open connections of this process: counted, limited, and closed when it stops."""

import asyncio
import logging
from typing import Any
from weakref import WeakSet

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from realtime import server, tcp
from realtime.closing import close
from realtime.connection import Connection, opened
from realtime.obeying import listen
from realtime.types import Send

logger = logging.getLogger(__name__)
__all__ = ["close", "count", "full", "health", "register", "shut_down", "stops", "too_many"]
STOPPED = 1012  # "service restart" in IANA's registry of close codes
attended: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
stopping: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


def count() -> int:
    """How many connections are open, those in their handshake included."""
    return sum(connection.code is None for connection in list(opened))


def full() -> bool:
    """Whether there are settings.MAX_CONNECTIONS."""
    limit = settings.MAX_CONNECTIONS
    return limit is not None and len(opened) >= limit


def stops() -> bool:
    """Whether no more are taken because the server of this event loop stops."""
    return bool(stopping) and asyncio.get_running_loop() in stopping


def too_many() -> HttpResponse:
    """The answer to a handshake then."""
    logger.warning("A handshake is refused: %d connections are open", len(opened))
    return HttpResponse("Too many connections.\n", "text/plain", 503, headers={"Retry-After": "5"})


def health(request: HttpRequest) -> JsonResponse:
    """Tell a load balancer or a monitor that this process answers, and how busy it is."""
    return JsonResponse({"connections": count()})


def register(send: Send) -> Connection:
    """Note a connection whose handshake begins, in its own task."""
    loop = asyncio.get_running_loop()
    if loop not in attended:
        attended.add(loop)
        tcp.set_up()
        listen()
        server.on_shutdown(send, shut_down)
    return Connection(send)


async def shut_down() -> None:
    """Close all with 1012, and drop those that do not take it in 2 s."""
    loop = asyncio.get_running_loop()
    stopping.add(loop)
    tasks: set[asyncio.Task[Any]] = set()
    for connection in list(opened):
        if connection.loop is loop:
            connection.end(STOPPED, "service restart")
            tasks.add(connection.task)
    for seconds in (2, 1):
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=seconds)
            for task in tasks:
                task.cancel()
    await asyncio.sleep(0.1)  # in which the server sends what it still holds
