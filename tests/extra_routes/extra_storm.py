"""A loop whose handshake is much work, and a page that tells how many of them there were."""

import time
from threading import Lock

from django.http import JsonResponse
from django.urls import path
from realtime import database
from realtime.handshake import websocket

database.LONG = 60  # so that no turn ends early, however busy the machine is
seen = {"begun": 0, "at once": 0, "most at once": 0}
lock = Lock()


def note(begun, change):
    """Count one that begins or ends."""
    with lock:
        seen["begun"] += begun
        seen["at once"] += change
        seen["most at once"] = max(seen["most at once"], seen["at once"])


def laborious(view):
    """Work for 20 ms before the view, and let go of the interpreter's lock as queries do."""

    def work(request):
        note(1, 1)
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            time.sleep(0)
        note(0, -1)
        return view(request)

    return work


@websocket
async def come_in(request, receive, send):
    """Accept."""
    await receive()
    await send({"type": "websocket.accept"})
    await receive()


urlpatterns = [
    path("", lambda request: JsonResponse(seen)),
    path("in/", laborious(come_in)),
]
