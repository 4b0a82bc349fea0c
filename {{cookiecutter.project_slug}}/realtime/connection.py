"""A connection whose handshake is accepted: its loop, and the close after it."""

import asyncio
import logging
import sys
from typing import Any

from asgiref.sync import sync_to_async
from django.core.signals import got_request_exception
from django.http import HttpRequest

from realtime.handshake import WebSocketResponse
from realtime.refusal import cookies
from realtime.types import Event, Receive, Send

logger = logging.getLogger("django.request")


async def run(
    response: WebSocketResponse, request: HttpRequest, receive: Receive, send: Send
) -> None:
    """Run the loop, then close with 1000; with 1011 if it raised, 1012 if it was cancelled."""
    server = package(send)
    if headers := cookies(response):
        send = accept_with(headers, send)
    try:
        await response.application(receive, send)
    except asyncio.CancelledError:
        await close(send, 1012)
        raise
    except Exception as error:
        closed = await close(send, 1011)
        if isinstance(error, OSError) and package(type(error)) == server:
            return  # the server's own OSError, which ASGI has for a client that is gone
        await sync_to_async(report, thread_sensitive=False)(request)
        if not closed:
            raise
    else:
        await close(send, 1000)


async def close(send: Send, code: int) -> bool:
    """Send a close (RFC 6455, section 7.4.1); False if the server does not take it.

    It does not where the client has left or the loop has closed; daphne takes no 1011 or 1012,
    but sends 1011 by itself when the exception reaches it.
    """
    try:
        await send({"type": "websocket.close", "code": code, "reason": ""})
    except Exception:  # each server has another
        logger.debug("No close sent", exc_info=True)
        return False
    return True


def package(thing: Any) -> str:
    """The name of the package that a function or a class comes from."""
    return str(getattr(thing, "__module__", "")).partition(".")[0]


def report(request: HttpRequest) -> None:
    """Log the exception being handled and tell its observers, as Django does for a view's."""
    context = {"status_code": 500, "request": request}
    logger.error("Exception in the loop: %s", request.path, exc_info=sys.exc_info(), extra=context)
    got_request_exception.send(sender=None, request=request)


def accept_with(headers: list[tuple[bytes, bytes]], send: Send) -> Send:
    """Add headers to the accept, which uvicorn and hypercorn send on and the others ignore."""

    async def send_with_headers(event: Event) -> None:
        if event["type"] == "websocket.accept":
            event = {**event, "headers": [*event.get("headers", ()), *headers]}
        await send(event)

    return send_with_headers
