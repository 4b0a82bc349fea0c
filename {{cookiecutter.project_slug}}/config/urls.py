"""Routes of this service, HTTP and WebSocket side by side."""

from django.conf import settings
from django.contrib import admin
from django.urls import path
from django.views.generic import TemplateView

from config.websocket import ping_pong, room
from realtime.handshake import websocket

page = TemplateView.as_view(template_name="index.html", extra_context={"debug": settings.DEBUG})

urlpatterns = [
    path("", websocket(ping_pong, http=page)),  # one URL, both protocols
    path("ws/", ping_pong),
    path("ws/rooms/<slug:room>/", room),
    path("admin/", admin.site.urls),
]
