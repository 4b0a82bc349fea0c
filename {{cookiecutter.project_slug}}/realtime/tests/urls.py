"""Routes of the machinery's tests."""

from django.contrib.auth.decorators import login_not_required, login_required
from django.urls import path, re_path

from realtime.handshake import websocket
from realtime.tests import loops

urlpatterns = [
    path("", websocket(loops.ping_pong, http=loops.page)),
    path("ws/", loops.ping_pong),
    path("rooms/<slug:room>/", loops.room),
    path("login/", loops.page),
    path("tell/<slug:word>/", loops.tell),
    path("private/", login_required(loops.tell)),
    path("same/", loops.same),
    path("fail/", loops.fail),
    path("fail/early/", loops.fail_early),
    path("leave/", loops.leave),
    path("never/", loops.never),
    path("bad/close/", loops.bad_close),
    re_path(r"^seats/(\w+)/(\w+)/$", loops.located),
    path("loud/<slug:room>/", loops.shout(loops.located)),
    path("open/", websocket(loops.ping_pong, http=loops.open_page)),
    path("open/loop/", websocket(login_not_required(loops.leave), http=loops.page)),
    path("obey/", loops.obey),
    path("stay/<path:how>/", loops.stay),
    path("block/", loops.block),
    path("deaf/", loops.deaf),
    path("pair/", loops.pair),
    path("late/", loops.late),
    path("joined/<slug:name>/", loops.joined),
    path("broken/", loops.broken),
    path("decide/", loops.decide),
]
