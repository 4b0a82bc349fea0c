"""Routes of the tests: the service's own, and those of views.py."""

from django.contrib.auth.decorators import login_required
from django.urls import path

from config.urls import urlpatterns as service
from tests import views

urlpatterns = [
    *service,
    path("tell/<slug:word>/", views.tell),
    path("private/", login_required(views.tell)),
    path("same/", views.same),
    path("joined/<slug:name>/", views.joined),
    path("deaf/", views.deaf),
    path("fail/", views.fail),
    path("leave/", views.leave),
    path("broken/", views.broken),
    path("decide/", views.decide),
]
