"""A connection from its handshake, which Django answers, through its loop to its end."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async
from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.core.signals import got_request_exception
from django.db import close_old_connections
from django.http import HttpRequest

from realtime import connections, logs, server
from realtime.closing import identify, listen
from realtime.connections import FORBIDDEN, Connection, tally
from realtime.database import in_thread, turn
from realtime.debugging import watch
from realtime.handshake import Handshakes, refusal
from realtime.limits import one_too_many
from realtime.types import Event, Receive, Scope, Send

logger = logging.getLogger("django.request")
TAKEN = 30.0  # seconds for a client to take its close


class WebSocketHandler(Handshakes):
    """Holds each connection from its handshake to its end, in the task that the server made."""

    in_thread: Any = staticmethod(in_thread(Handshakes.answer))  # a method would be bound anew

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if why := connections.refuses():
            await receive()  # websocket.connect
            refused = refusal(scope, connections.unavailable(why))
            tally["refused", status(refused)] += 1
            await refuse(refused, send)
            return
        listen()
        connection = connections.register(send)
        try:
            with apart(scope):
                await self.hold(connection, scope, receive)
        except asyncio.CancelledError:
            by_server = connection.code is None
            await cancelled(connection, scope)
            if by_server:
                raise
        finally:
            connection.forget()
            if not connections.opened and SyncToAsync.single_thread_executor._threads:
                await sync_to_async(close_old_connections)()  # of the thread that loops share

    async def hold(self, connection: Connection, scope: Scope, receive: Receive) -> None:
        """Answer the handshake, run the loop, and send the close."""
        async with turn():
            connection.begin()
            request, loop, headers, refused = await self.in_thread(self, scope)
        if not refused and (crowded := one_too_many(request.user_id)):
            refused = refusal(scope, crowded)
        if refused:
            await receive()  # websocket.connect
            connection.closed = status(refused)
            await refuse(refused, connection.server_send)
            return
        connection.headers = headers
        connection.subprotocol = request.subprotocol
        logs.handshake.set(request)
        identify(connection, request, request.user_id)
        if connection.code is not None:  # closed since its handshake began: the loop does not run
            await asyncio.sleep(0)
        try:
            if settings.DEBUG:
                await watch(loop, connection, receive, request.path)
            else:
                await loop(receive, connection.send)
        except Exception as error:
            await failed(connection, request, error)
        else:
            if not await server.has_left(connection.protocol, receive):
                await close(connection, 1000)


@contextmanager
def apart(scope: Scope) -> Iterator[None]:
    """Keep what Sentry notes of this connection, its user and URL, from those of others.

    The SDK does so for pages, in a method of ASGIHandler that is not called here.
    """
    if not (sentry := sys.modules.get("sentry_sdk")):
        yield
        return
    from sentry_sdk.integrations.asgi import SentryAsgiMiddleware

    with sentry.isolation_scope() as own:
        describe = SentryAsgiMiddleware(None).event_processor
        own.add_event_processor(partial(describe, asgi_scope=scope))
        yield


async def cancelled(connection: Connection, scope: Scope) -> None:
    """Send what the cancellation was for."""
    connection.ending = True
    later = connection.code in {None, connections.STOPPED, connections.LATER}
    if later and not (connection.accepted or connection.closed):
        why = "the service stops" if connections.stops() else "no answer in time"
        refused = refusal(scope, connections.unavailable(why))  # 403 would be final for a client
        connection.closed = status(refused)
        await refuse(refused, connection.server_send)
    else:
        await close(connection, connections.STOPPED)


def status(refused: list[Event]) -> int:
    """What the client sees of a refusal."""
    return int(refused[0].get("status", FORBIDDEN))


async def refuse(events: list[Event], send: Send) -> None:
    """Send a refusal, as far as the server takes it: the client may have left."""
    try:
        for event in events:
            await send(event)
    except Exception:  # each server has another
        logger.debug("No refusal sent", exc_info=True)


async def failed(connection: Connection, request: HttpRequest, error: Exception) -> None:
    """Answer the exception that the loop has raised: before the accept as Django answers a view's,
    with 500 for most; after it with 1011.
    """
    if server.is_gone(error, connection.protocol) and not connection.closed:
        logger.info("The client had left, when the loop sent: %s", escaped(request.path))
        return
    if not (connection.accepted or connection.closed):
        response = await in_thread(response_for_exception)(request, error)
        refused = refusal(request.scope, response)  # type: ignore[attr-defined]
        connection.closed = status(refused)
        await refuse(refused, connection.server_send)
        return
    closed = await close(connection, 1011)
    await in_thread(report)(request)
    if not closed and not connection.closed:  # the server may still do it
        raise error


async def close(connection: Connection, code: int) -> bool:
    """Send a close (RFC 6455, section 7.4.1); False if the server may have to do it.

    There is none where the client has left or the loop has closed. A client that does not read
    loses its TCP connection, after half a minute or when the service stops.
    """
    code = connection.code = connection.code or code
    connection.ending = True
    if connection.closed:
        return False
    try:
        async with asyncio.timeout(TAKEN):
            protocol = connection.protocol
            await server.close(connection.server_send, protocol, code, connection.reason)
    except (TimeoutError, asyncio.CancelledError):
        server.drop(connection.protocol)
        return False
    except Exception as error:  # each server has another
        logger.debug("No close sent", exc_info=True)
        return server.is_gone(error, connection.protocol)
    return True


def report(request: HttpRequest) -> None:
    """Log the exception being handled and tell its observers, as Django does for a view's."""
    context = {"status_code": 500, "request": request}
    path = escaped(request.path)
    logger.error("Exception in the loop: %s", path, exc_info=sys.exc_info(), extra=context)
    got_request_exception.send(sender=None, request=request)


def escaped(path: str) -> str:
    """The path on one line of the log: a client may put line feeds and colours into it."""
    return path.encode("unicode_escape").decode()
