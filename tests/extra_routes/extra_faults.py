"""Routes that do what goes wrong, and an ASGI application with middleware around the service."""

import asyncio
import sys
from functools import wraps  # noqa: F401  (for docs/connections.md)
from itertools import takewhile
from pathlib import Path

from config.asgi import application as service
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.sessions.models import Session
from django.http import HttpResponse, HttpResponseForbidden  # noqa: F401
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from extra_urls import urlpatterns as others
from realtime.broadcast import subscribe
from realtime.handshake import websocket
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from users.models import User


async def application(scope, receive, send):
    """The service behind two middlewares that wrap `send`, as those for tracing do."""

    class Traced:
        def __init__(self, send):
            self.send = send

        async def __call__(self, event):
            await self.send(event)

    async def traced(event):
        await Traced(send)(event)

    await service(scope, receive, traced if scope["type"] == "websocket" else send)


watched = SentryAsgiMiddleware(service)  # as Sentry's documentation puts it around any application


@websocket
async def never(request, receive, send):
    """Neither accept nor refuse."""
    await asyncio.Event().wait()


@websocket
async def tidy(request, receive, send):
    """Need 2.5 seconds for the end."""
    await receive()
    await send({"type": "websocket.accept"})
    try:
        await send({"type": "websocket.send", "text": "it runs"})
        await receive()
    finally:
        await asyncio.sleep(2.5)
        print("tidied", file=sys.stderr, flush=True)


async def answer(text, send):
    """Work for longer than the pings of the test wait, then answer."""
    await asyncio.sleep(4)
    await send({"type": "websocket.send", "text": f"done: {text}"})


def block(path, start):
    """The code in a document that begins with this line."""
    text = Path(path).read_text("utf-8").partition(f"    {start}\n")[1:]
    lines = "".join(text).splitlines()
    return "\n".join(line.removeprefix("    ") for line in takewhile(is_code, lines))


def is_code(line):
    """Whether a line of a document is in a block of code."""
    return line.startswith("    ") or not line


# As the documents have them: the loop `work`, and the decorator `staff_only`.
exec(block("docs/servers.md", "@websocket"))
exec(block("docs/connections.md", "def staff_only(view):"))


@websocket
async def asleep(request, receive, send):
    """Accept, and never receive."""
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


@websocket
async def pour(request, receive, send):
    """Only send, in a loop that gives way to nobody by itself."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "text": "x" * 1000})


@websocket
async def fail(request, receive, send, name):
    """Raise after the accept."""
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    raise RuntimeError("the loop failed")


@websocket
async def member(request, receive, send):
    """Subscribe, accept, and answer each message."""
    await receive()
    async with subscribe("members", send):
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "heard"})


def log_in(request, name):
    """Log in as another user, in the session that there is."""
    login(request, User.objects.get(username=name), "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def log_out_everywhere(request):
    """Delete all sessions."""
    Session.objects.all().delete()
    return HttpResponse()


@csrf_exempt
@login_not_required
def page(request):
    """A page that anybody may post to."""
    return HttpResponse()


@websocket
async def stay(request, receive, send):
    """Ping/pong for those who are logged in."""
    await receive()
    if request.user.is_anonymous:
        return
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "pong!"})


urlpatterns = [
    path("marked/", websocket(stay, http=page)),
    path("private/stay/", stay),
    path("fail/<str:name>/", fail),
    path("never/", never),
    path("tidy/", tidy),
    path("job/", work),  # noqa: F821
    path("staff/", staff_only(stay)),  # noqa: F821
    path("asleep/", asleep),
    path("pour/", pour),
    path("member/", member),
    path("login/as/<slug:name>/", log_in),
    path("sessions/delete/", log_out_everywhere),
    *others,
]
