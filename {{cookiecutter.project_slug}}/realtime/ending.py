"""How a connection ends: the close, and the report of what went wrong."""

import asyncio
import logging
import sys

from asgiref.sync import sync_to_async
from django.core.signals import got_request_exception
from django.db import connections
from django.http import HttpRequest

from realtime import server
from realtime.connection import Connection, opened

logger = logging.getLogger("django.request")
TAKEN = 30.0  # seconds for a client to take its close
# What `send` raises where the client has left; the other servers say nothing.
GONE = {"uvicorn.protocols.utils.ClientDisconnected", "autobahn.exception.Disconnected"}


async def failed(connection: Connection, request: HttpRequest, error: Exception) -> None:
    """Close with 1011 after the exception that the loop has raised, and report it."""
    closed = await close(connection, 1011)
    if not is_gone(error):
        await sync_to_async(report, thread_sensitive=False)(request)
        if not closed:  # the server may still do it
            raise error


async def close(connection: Connection, code: int) -> bool:
    """Send a close (RFC 6455, section 7.4.1); False if the server does not take it.

    It does not where the client has left or the loop has closed. A client that does not read loses
    its TCP connection, after half a minute or when the service stops.
    """
    code = connection.code = connection.code or code
    try:
        async with asyncio.timeout(TAKEN):
            await server.close(connection.send, code, connection.reason)
    except (TimeoutError, asyncio.CancelledError):
        server.drop(connection.send)
        return False
    except Exception:  # each server has another
        logger.debug("No close sent", exc_info=True)
        return False
    return True


def tidy() -> None:
    """Give up the connections of the thread that loops share, if broken or if no loop is left."""
    for database in connections.all(initialized_only=True):
        broken = database.errors_occurred and database.connection and not database.is_usable()
        if broken or not opened:
            database.close_if_unusable_or_obsolete()


def is_gone(error: BaseException) -> bool:
    """Whether the server raised this, and nothing else, because the client has left."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_gone, error.exceptions))
    return f"{type(error).__module__}.{type(error).__qualname__}" in GONE


def report(request: HttpRequest) -> None:
    """Log the exception being handled and tell its observers, as Django does for a view's."""
    context = {"status_code": 500, "request": request}
    logger.error("Exception in the loop: %s", request.path, exc_info=sys.exc_info(), extra=context)
    got_request_exception.send(sender=None, request=request)
