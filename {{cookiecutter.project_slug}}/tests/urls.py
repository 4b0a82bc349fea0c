"""Routes of the tests: the service's own, and one for each thing that may come of a handshake."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import urlpatterns as service
from realtime.handshake import WebSocketResponse, websocket
from realtime.types import Receive, Send


@websocket
async def tell(request: HttpRequest, receive: Receive, send: Send, **kwargs: Any) -> None:
    """Say what the loop knows of the request, then return."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"{request.user} {request.scheme} {kwargs}"})


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


urlpatterns = [
    *service,
    path("tell/<slug:word>/", tell),
    path("private/", login_required(tell)),
    path("same/", same),
    path("fail/", fail),
    path("leave/", leave),
    path("broken/", broken),
    path("decide/", decide),
]
