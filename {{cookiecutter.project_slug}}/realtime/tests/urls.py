"""Routes of the machinery's tests."""

from django.contrib.auth.decorators import login_required
from django.urls import path

from realtime.connections import health
from realtime.handshake import websocket
from realtime.tests import loops

urlpatterns = [
    path("", websocket(loops.ping_pong, http=loops.page)),
    path("ws/", loops.ping_pong),
    path("rooms/<slug:room>/", loops.room),
    path("healthz", health),
    path("login/", loops.page),
    path("tell/<slug:word>/", loops.tell),
    path("private/", login_required(loops.tell)),
    path("same/", loops.same),
    path("fail/", loops.fail),
    path("fail/early/", loops.fail_early),
    path("leave/", loops.leave),
    path("deaf/", loops.deaf),
    path("pair/", loops.pair),
    path("late/", loops.late),
    path("joined/<slug:name>/", loops.joined),
    path("broken/", loops.broken),
    path("decide/", loops.decide),
]
