"""A connection whose handshake is accepted: its loop, and the close after it."""

import asyncio
import logging
import sys

from asgiref.sync import SyncToAsync, sync_to_async
from django.core.signals import got_request_exception
from django.db import close_old_connections
from django.http import HttpRequest

from realtime.cookies import accept_with, cookies
from realtime.handshake import WebSocketResponse
from realtime.types import Receive, Send

logger = logging.getLogger("django.request")
# What `send` raises where the client has left; the other servers say nothing.
GONE = {"uvicorn.protocols.utils.ClientDisconnected", "autobahn.exception.Disconnected"}


async def run(
    response: WebSocketResponse, request: HttpRequest, receive: Receive, send: Send
) -> None:
    """Run the loop, then close with 1000; with 1011 if it raised, 1012 if it was cancelled."""
    if headers := cookies(response):
        send = accept_with(headers, send)
    try:
        await response.application(receive, send)
    except asyncio.CancelledError:
        await close(send, 1012)
        raise
    except Exception as error:
        closed = await close(send, 1011)
        if is_gone(error):
            return
        await sync_to_async(report, thread_sensitive=False)(request)
        if not closed:
            raise
    else:
        await close(send, 1000)
    finally:
        if SyncToAsync.single_thread_executor._threads:  # in which loops await the ORM
            await sync_to_async(close_old_connections)()


async def close(send: Send, code: int) -> bool:
    """Send a close (RFC 6455, section 7.4.1); False if the server does not take it in 2 s.

    It does not where the client has left or the loop has closed; daphne takes no 1011 or 1012,
    but sends 1011 by itself when the exception reaches it.
    """
    try:
        async with asyncio.timeout(2):
            await send({"type": "websocket.close", "code": code, "reason": ""})
    except Exception:  # each server has another
        logger.debug("No close sent", exc_info=True)
        return False
    return True


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
