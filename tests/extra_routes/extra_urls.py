"""Routes beside the rendered project's own."""

import asyncio
import gc
import logging
import sys

from asgiref.sync import sync_to_async
from config.urls import urlpatterns as service
from django.contrib.auth.decorators import login_required, permission_required
from django.core.signals import got_request_exception
from django.db import connection
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from extra_broadcast import urlpatterns as broadcasting
from extra_database import urlpatterns as losing
from realtime.broadcast import publish, subscribe
from realtime.handshake import WebSocketResponse, websocket
from realtime.tickets import ticket
from realtime.types import message
from users.models import User
from websockets.datastructures import Headers

logger = logging.getLogger(__name__)


@websocket
async def tell(request, receive, send, **kwargs):
    """Tell the user, and what the URL held; then return."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"{request.user} {request.is_secure()} {kwargs}"})


@websocket
async def fail(request, receive, send):
    """Accept and raise."""
    await receive()
    await send({"type": "websocket.accept"})
    raise RuntimeError("the loop failed")


@websocket
async def leave(request, receive, send):
    """Close with a code of its own, then return."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4000, "reason": "enough"})


@websocket
async def flood(request, receive, send):
    """Send until the client is gone, from a task of a group, as a loop does that receives too."""
    await receive()
    await send({"type": "websocket.accept"})

    async def pour():
        while True:
            await send({"type": "websocket.send", "text": "x" * 20_000})
            await asyncio.sleep(0)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(pour())
    finally:
        print("left", request.path, file=sys.stderr, flush=True)


@websocket
async def count(request, receive, send):
    """Ask the database; then lose the connection to it, as when the database restarts."""
    await receive()
    await send({"type": "websocket.accept"})
    users = await User.objects.acount()
    await send({"type": "websocket.send", "text": str(users)})
    await sync_to_async(lambda: connection.connection.close())()


@websocket
async def answered(request, receive, send):
    """Send what comes back, up to "bye"."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        said = message(event)
        await send({"type": "websocket.send", "text" if type(said) is str else "bytes": said})
        if said == "bye":
            return


@websocket
async def published(request, receive, send):
    """Publish what comes to a channel of its own, up to "bye"."""
    await receive()
    await send({"type": "websocket.accept"})
    async with subscribe("echo", send):
        while (event := await receive())["type"] == "websocket.receive":
            await publish("echo", message(event))
            if event.get("text") == "bye":
                return


@websocket
async def total(request, receive, send):
    """Take numbers, slowly at first, until the client leaves; write how many came."""
    await receive()
    await send({"type": "websocket.accept"})
    got = []
    await asyncio.sleep(0.2)
    while (event := await receive())["type"] == "websocket.receive":
        got.append(int(event["text"]))
    order = "in order" if got == sorted(got) else "in another order"
    print(f"got {len(got)} {order}, then a disconnect", file=sys.stderr, flush=True)


@websocket
async def kept(request, receive, send):
    """Tell how many headers of uvicorn's are still held, beside those of the scope."""
    await receive()
    await send({"type": "websocket.accept"})
    gc.collect()  # those of connections that have ended
    held = [one for one in gc.get_objects() if isinstance(one, Headers)]
    await send({"type": "websocket.send", "text": str(sum(map(len, held)))})


@csrf_exempt
def ticket_by_name(request, name):
    """A ticket by an authentication that has no session, for pages of any origin."""
    request.user, _ = User.objects.get_or_create(username=name)
    response = ticket(request)
    response["Access-Control-Allow-Origin"] = "*"
    return response


def broken(request):
    """Raise in the view."""
    raise RuntimeError("the view failed")


def cookie(request):
    """Accept with a cookie."""

    async def application(receive, send):
        await receive()
        await send({"type": "websocket.accept"})

    response = WebSocketResponse(application)
    response.set_cookie("seen", "yes")
    return response


def observed(request, **kwargs):
    """Show that the signal was sent."""
    logger.warning("observed %s", request.path)


got_request_exception.connect(observed)
urlpatterns = [
    *service,
    path("tell/<slug:word>/", tell),
    path("private/", login_required(tell)),
    path("permitted/", permission_required("users.add_user", raise_exception=True)(tell)),
    path("fail/", fail),
    path("leave/", leave),
    path("flood/", flood),
    path("count/", count),
    path("answered/", answered),
    path("published/", published),
    path("sum/", total),
    path("kept/", kept),
    *broadcasting,
    *losing,
    path("ticket/<slug:name>/", ticket_by_name),
    path("broken/", broken),
    path("cookie/", cookie),
]
