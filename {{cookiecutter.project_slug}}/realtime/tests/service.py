"""The service of the machinery's tests: one loop or view for each thing that may come."""

import asyncio
import logging
import time
from ast import literal_eval
from contextlib import suppress
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required, login_required
from django.core.asgi import get_asgi_application
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from realtime.asgi import WebSocketHandler
from realtime.broadcast import PublishError, publish, subscribe
from realtime.handshake import WebSocketResponse, websocket
from realtime.lifespan import Lifespan
from realtime.messages import json_messages
from realtime.tests import make_user
from realtime.types import Receive, Scope, Send

logger = logging.getLogger(__name__)


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
    async with subscribe(f"room.{room}", send, request.GET.get("after")):
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
async def note(request: HttpRequest, receive: Receive, send: Send, word: str) -> None:
    """Accept and log, in the loop and in a thread."""
    await send({"type": "websocket.accept"})
    logger.warning("noted %s", word)
    await sync_to_async(logger.warning)("in a thread")


@websocket
async def never(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Neither accept nor refuse."""
    await asyncio.Event().wait()


@websocket
async def bad_close(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Try closes that RFC 6455 does not know, and tell what comes of it."""
    await send({"type": "websocket.accept"})
    for code, reason in ((1006, ""), (4000, "x" * 124), (99, "")):
        try:
            await send({"type": "websocket.close", "code": code, "reason": reason})
        except ValueError as error:
            for words in ("no code of a close", "123 bytes"):
                if words in str(error):
                    await send({"type": "websocket.send", "text": words})


@websocket
async def located(
    request: HttpRequest, receive: Receive, send: Send, room: str, seat: str = "any"
) -> None:
    """Say where the URL leads."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"{room} {seat}"})


def shout(view: Any) -> Any:
    """A decorator as anybody writes one: it passes by position what it gets by name."""

    @wraps(view)
    def decorated(request: HttpRequest, room: str) -> Any:
        return view(request, room.upper())

    return decorated


@csrf_exempt
@login_not_required
def open_page(request: HttpRequest) -> HttpResponse:
    """A page that anybody may post to."""
    return HttpResponse("open")


@websocket
async def obey(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Do what the query string says: send each of its events, or receive for None."""
    for event in literal_eval(request.GET["do"]):
        await (send(event) if event else receive())


@websocket
async def stay(request: HttpRequest, receive: Receive, send: Send, how: str) -> None:
    """Ignore the disconnect: receive again and again, or do something else for a while."""
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass
    for _ in range(3):
        if how == "receiving":
            with suppress(RuntimeError):
                await receive()
        await asyncio.sleep(0.1)


@websocket
async def block(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Sleep as long as the client says, and let no other run meanwhile."""
    await receive()
    await send({"type": "websocket.accept"})
    while seconds := (await receive()).get("text"):
        time.sleep(float(seconds))  # noqa: ASYNC251
        await send({"type": "websocket.send", "text": "awake"})


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
async def speak_json(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Answer the text in an object; receive a channel."""
    receive, send = json_messages(receive, send)
    await receive()
    async with subscribe("json", send, request.GET.get("after")):
        await send({"type": "websocket.accept"})
        while True:
            match await receive():
                case {"type": "websocket.receive", "text": "ping"}:
                    await send({"type": "websocket.send", "text": "pong!"})
                case {"type": "websocket.receive", "json": {"text": str(text)}}:
                    await send({"type": "websocket.send", "json": {"you said": text}})
                case {"type": "websocket.disconnect"}:
                    return


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


urlpatterns = [
    path("", websocket(ping_pong, http=page)),
    path("ws/", ping_pong),
    path("rooms/<slug:room>/", room),
    path("login/", page),
    path("tell/<slug:word>/", tell),
    path("private/", login_required(tell)),
    path("same/", same),
    path("fail/", fail),
    path("fail/early/", fail_early),
    path("leave/", leave),
    path("never/", never),
    path("note/<str:word>", note),
    path("bad/close/", bad_close),
    re_path(r"^seats/(\w+)/(\w+)/$", located),
    path("loud/<slug:room>/", shout(located)),
    path("open/", websocket(ping_pong, http=open_page)),
    path("open/loop/", websocket(login_not_required(leave), http=page)),
    path("obey/", obey),
    path("stay/<path:how>/", stay),
    path("block/", block),
    path("deaf/", deaf),
    path("pair/", pair),
    path("json/", speak_json),
    path("late/", late),
    path("joined/<slug:name>/", joined),
    path("broken/", broken),
    path("decide/", decide),
]
parts: dict[str, Any] = {
    "http": get_asgi_application(),
    "websocket": WebSocketHandler(),
    "lifespan": Lifespan(),
}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand the connection to the part that speaks its protocol."""
    await parts[scope["type"]](scope, receive, send)
