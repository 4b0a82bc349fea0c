"""Routes of this service, HTTP and WebSocket side by side."""

from django.contrib import admin
from django.urls import path
from django.views.generic import TemplateView

from config.websocket import ping_pong
from realtime.handshake import websocket

page = TemplateView.as_view(template_name="index.html")

urlpatterns = [
    path("", websocket(ping_pong, http=page)),  # one URL, both protocols
    path("ws/", ping_pong),
    path("admin/", admin.site.urls),
]
