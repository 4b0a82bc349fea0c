"""Routes of this service, HTTP and WebSocket side by side."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from config.websocket import people, ping_pong, room
from realtime.handshake import websocket
from realtime.tickets import ticket


def page(request: HttpRequest) -> HttpResponse:
    """Show the page, which says who is logged in; before the first `migrate` nobody is."""
    try:
        name = request.user.get_username()
    except DatabaseError:
        name = ""
    return render(request, "index.html", {"debug": settings.DEBUG, "name": name})


urlpatterns = [
    path("", websocket(ping_pong, http=page)),  # one URL, both protocols
    path("ws/", ping_pong),
    path("ws/ticket/", ticket),
    path("ws/rooms/<slug:room>/", room),
    path("ws/rooms/<slug:room>/people/", people),
    path("login/", LoginView.as_view(template_name="login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
