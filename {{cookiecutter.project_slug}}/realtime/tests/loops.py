"""One loop or view for each thing that may come of a handshake."""

import asyncio
from inspect import iscoroutinefunction
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from realtime.broadcast import PublishError, publish, subscribe
from realtime.handshake import WebSocketResponse, websocket
from realtime.tests import make_user
from realtime.types import Receive, Send


@websocket
async def ping_pong(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Answer every "ping" with "pong!"."""
    while True:
        match await receive():
            case {"type": "websocket.connect"}:
                await send({"type": "websocket.accept"})
            case {"type": "websocket.receive", "text": "ping"}:
                await send({"type": "websocket.send", "text": "pong!"})
            case {"type": "websocket.disconnect"}:
                return


@websocket
async def room(request: HttpRequest, receive: Receive, send: Send, room: str) -> None:
    """Publish what the client says; answer "ping" to it alone."""
    await receive()
    async with subscribe(f"room.{room}", send):
        await send({"type": "websocket.accept"})
        while True:
            match await receive():
                case {"type": "websocket.receive", "text": "ping"}:
                    await send({"type": "websocket.send", "text": "pong!"})
                case {"type": "websocket.receive", "text": str(text)}:
                    try:
                        await publish(f"room.{room}", text)
                    except PublishError as error:
                        await send({"type": "websocket.send", "text": f"Not sent: {error}"})
                case {"type": "websocket.disconnect"}:
                    return


@websocket
async def tell(request: HttpRequest, receive: Receive, send: Send, **kwargs: Any) -> None:
    """Say what the loop knows of the request, then return."""
    await send({"type": "websocket.accept"})
    user = request.user if hasattr(request, "user") else None
    name = user.get_username() if user and user.is_authenticated else "nobody"
    await send({"type": "websocket.send", "text": f"{name} {request.scheme} {kwargs}"})


@websocket
async def same(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Say whose `receive` the loop has, and whether its `send` is a coroutine of its own."""
    await send({"type": "websocket.accept"})
    whose = f"{receive.__module__}.{receive.__qualname__}"
    await send({"type": "websocket.send", "text": f"{whose} {iscoroutinefunction(send)}"})


@websocket
async def fail(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Accept, then raise."""
    await send({"type": "websocket.accept"})
    raise RuntimeError("the loop failed")


@websocket
async def fail_early(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Raise before the accept."""
    await receive()
    raise RuntimeError("the loop failed early")


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


@websocket
async def pair(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Subscribe to two channels, then accept."""
    await receive()
    async with subscribe("busy", send), subscribe("quiet", send):
        await send({"type": "websocket.accept"})
        await receive()


@websocket
async def late(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Subscribe, take a quarter of a second as for a query, then accept."""
    await receive()
    async with subscribe("late", send):
        await publish("late", "subscribed")
        await asyncio.sleep(0.25)
        await send({"type": "websocket.accept"})
        await receive()


@transaction.atomic
def joined(request: HttpRequest, name: str) -> HttpResponseBase:
    """Make a row in a transaction of the view, then accept."""
    make_user(name)
    return tell(request)


def broken(request: HttpRequest) -> HttpResponse:
    """Raise in the view."""
    raise RuntimeError("the view failed")


def page(request: HttpRequest) -> HttpResponse:
    """A page, which is no WebSocket."""
    return HttpResponse("a page")


def decide(request: HttpRequest) -> WebSocketResponse:
    """Accept without the decorator, and set a cookie."""

    async def application(receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    response = WebSocketResponse(application)
    response.set_cookie("seen", "yes")
    return response
