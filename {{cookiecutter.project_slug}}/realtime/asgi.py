"""A connection from its handshake, which Django answers, through its loop to its end."""

import asyncio
import logging
import sys
from functools import partial
from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async
from django.core.handlers.exception import response_for_exception
from django.core.signals import got_request_exception
from django.http import HttpRequest

from realtime import connections, server
from realtime.closing import identify, listen
from realtime.connections import Connection
from realtime.database import Threads, tidy
from realtime.handshake import Handshakes, refusal
from realtime.types import Event, Receive, Scope, Send

logger = logging.getLogger("django.request")
TAKEN = 30.0  # seconds for a client to take its close
threads: Any = Threads("handshake", size=32)  # asgiref asks for a ThreadPoolExecutor
in_thread: Any = partial(sync_to_async, thread_sensitive=False, executor=threads)


class WebSocketHandler(Handshakes):
    """Holds each connection from its handshake to its end, in the task that the server made."""

    in_thread: Any = in_thread(Handshakes.answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if connections.full() or connections.stops():
            await receive()  # websocket.connect
            await refuse(refusal(scope, connections.too_many()), send)
            return
        listen()
        connection = connections.register(send)
        try:
            await self.hold(connection, scope, receive)
        except asyncio.CancelledError:
            by_server = connection.code is None
            if connections.stops() and not (connection.accepted or connection.closed):
                refused = refusal(scope, connections.too_many())  # 403 would be final for a client
                await refuse(refused, send)
            else:
                await close(connection, 1012)
            if by_server:
                raise
        finally:
            connection.forget()
            if SyncToAsync.single_thread_executor._threads:  # in which loops await the ORM
                await sync_to_async(tidy)(last=not connections.opened)

    async def hold(self, connection: Connection, scope: Scope, receive: Receive) -> None:
        """Answer the handshake, run the loop, and send the close."""
        request, loop, headers, refused = await self.in_thread(scope)
        if refused:
            await receive()  # websocket.connect
            connection.closed = True
            await refuse(refused, connection.server_send)
            return
        connection.headers = headers
        identify(connection, request, request.user_id)
        try:
            await loop(receive, connection.send)
        except Exception as error:
            await failed(connection, request, error)
        else:
            await close(connection, 1000)


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
    if server.is_gone(error):
        return
    if not (connection.accepted or connection.closed):
        response = await in_thread(response_for_exception)(request, error)
        connection.closed = True
        await refuse(refusal(request.scope, response), connection.server_send)  # type: ignore[attr-defined]
        return
    closed = await close(connection, 1011)
    await in_thread(report)(request)
    if not closed and not connection.closed:  # the server may still do it
        raise error


async def close(connection: Connection, code: int) -> bool:
    """Send a close (RFC 6455, section 7.4.1); False if the server does not take it.

    It does not where the client has left or the loop has closed. A client that does not read loses
    its TCP connection, after half a minute or when the service stops.
    """
    code = connection.code = connection.code or code
    if connection.closed:
        return False
    try:
        async with asyncio.timeout(TAKEN):
            await server.close(connection.server_send, code, connection.reason)
    except (TimeoutError, asyncio.CancelledError):
        server.drop(connection.server_send)
        return False
    except Exception:  # each server has another
        logger.debug("No close sent", exc_info=True)
        return False
    return True


def report(request: HttpRequest) -> None:
    """Log the exception being handled and tell its observers, as Django does for a view's."""
    context = {"status_code": 500, "request": request}
    logger.error("Exception in the loop: %s", request.path, exc_info=sys.exc_info(), extra=context)
    got_request_exception.send(sender=None, request=request)
