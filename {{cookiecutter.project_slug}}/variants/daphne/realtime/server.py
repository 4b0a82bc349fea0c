"""daphne: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from importlib import import_module
from typing import Any

from autobahn.exception import Disconnected
from twisted.internet.defer import Deferred

from realtime.types import Event, Send


def serve(application: Any, host: str, port: int) -> None:
    """Serve until the process ends."""
    from daphne import access, endpoints, server  # type: ignore[import-untyped]  # takes the reactor

    where = endpoints.build_endpoint_description_strings(host=host, port=port)
    log = access.AccessLogGenerator(sys.stderr)
    server.Server(application, where, signal_handlers=False, action_logger=log).run()


def protocol(send: Send) -> Any:
    """autobahn's protocol of the connection; None in a test."""
    return send.args[0] if isinstance(send, partial) else None


def on_shutdown(send: Send, shut_down: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it before Twisted's reactor stops."""
    if protocol(send):
        reactor: Any = import_module("twisted.internet.reactor")
        reactor.addSystemEventTrigger(
            "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(shut_down()))
        )


async def close(send: Send, code: int, reason: str) -> None:
    """Send a close; past daphne, which has no reasons and takes 1000 and 3000 to 4999 only."""
    connection = protocol(send)
    if connection and connection.state == connection.STATE_OPEN:
        connection.closeHandshakeTimeout = 0  # which would be a second
        connection.sendCloseFrame(code=code, reasonUtf8=reason.encode())
        # Until the client has answered: a reactor that stops sends no more.
        await connection.is_closed.asFuture(asyncio.get_running_loop())
    else:
        await send({"type": "websocket.close", "code": code, "reason": reason})


def drop(send: Send) -> None:
    """Drop the TCP connection, and what is still to be sent."""
    if connection := protocol(send):
        connection.dropConnection(abort=True)


class Gate:
    """A producer, in Twisted's words: it is told to pause while the transport's buffer is full."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()

    async def send(self, send: Send, event: Event) -> None:
        """Send, then wait until there is room again."""
        await send(event)
        await self.writable.wait()

    def pauseProducing(self) -> None:
        self.writable.clear()

    def resumeProducing(self) -> None:
        self.writable.set()

    stopProducing = resumeProducing


def paced(server_send: Send, send: Send) -> Send:
    """A `send` that waits for a client which reads slowly; daphne's own does not."""
    connection = protocol(server_send)
    if not connection:
        return send
    if not hasattr(connection, "gate"):
        connection.gate = Gate()
        connection.transport.unregisterProducer()
        connection.transport.registerProducer(connection.gate, True)
    return partial(connection.gate.send, send)


def is_gone(error: BaseException) -> bool:
    """Whether `send` raised this, and nothing else, because the client has left."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_gone, error.exceptions))
    return isinstance(error, Disconnected)
