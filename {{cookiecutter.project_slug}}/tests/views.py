"""One loop or view for each thing that may come of a handshake."""

import asyncio
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from realtime.handshake import WebSocketResponse, websocket
from realtime.types import Receive, Send


@websocket
async def tell(request: HttpRequest, receive: Receive, send: Send, **kwargs: Any) -> None:
    """Say what the loop knows of the request, then return."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"{request.user} {request.scheme} {kwargs}"})


@websocket
async def who(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Say who is there."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": str(request.user)})


@websocket
async def same(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Say whose `receive` and `send` the loop has."""
    await send({"type": "websocket.accept"})
    names = [f"{function.__module__}.{function.__qualname__}" for function in (receive, send)]
    await send({"type": "websocket.send", "text": " ".join(names)})


@websocket
async def fail(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Accept, then raise."""
    await send({"type": "websocket.accept"})
    raise RuntimeError("the loop failed")


@websocket
async def leave(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Accept, then close with a code of its own."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4000, "reason": "enough"})


@websocket
async def deaf(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Accept, then never receive."""
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


@transaction.atomic
def joined(request: HttpRequest, name: str) -> HttpResponseBase:
    """Make a row in a transaction of the view, then accept."""
    User.objects.create(username=name)
    return who(request)


def broken(request: HttpRequest) -> HttpResponse:
    """Raise in the view."""
    raise RuntimeError("the view failed")


def decide(request: HttpRequest) -> WebSocketResponse:
    """Accept without the decorator, and set a cookie."""

    async def application(receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    response = WebSocketResponse(application)
    response.set_cookie("seen", "yes")
    return response
