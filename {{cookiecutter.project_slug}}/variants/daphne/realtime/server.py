"""daphne: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from importlib import import_module
from inspect import unwrap
from typing import Any

from twisted.internet.defer import Deferred

from realtime.paced import Paced
from realtime.types import Send


def serve(application: Any, host: str, port: int) -> None:
    """Serve until the process ends."""
    from daphne import access, endpoints, server  # type: ignore[import-untyped]  # takes the reactor

    where = endpoints.build_endpoint_description_strings(host=host, port=port)
    log = access.AccessLogGenerator(sys.stderr)
    server.Server(application, where, signal_handlers=False, action_logger=log).run()


def protocol(send: Send) -> Any:
    """autobahn's protocol of the connection; None in a test."""
    server_send = unwrap(send)
    return server_send.args[0] if isinstance(server_send, partial) else None


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


def paced(send: Send) -> Send:
    """A `send` that waits for a client which reads slowly; daphne's own does not."""
    connection = protocol(send)
    if connection and not hasattr(connection, "paced"):
        connection.paced = Paced(send)
        connection.transport.unregisterProducer()
        connection.transport.registerProducer(connection.paced, True)
    return connection.paced if connection else send
