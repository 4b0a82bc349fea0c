"""Channels, as its tutorial puts it together: hosts, sessions and users, routes, a consumer."""

from typing import Any

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402


class PingPong(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Answers "ping" with "pong!"."""

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        if text_data == "ping":
            await self.send(text_data="pong!")


class Private(PingPong):
    """The same for who is logged in."""

    async def connect(self) -> None:
        if self.scope["user"].is_authenticated:
            await self.accept()
        else:
            await self.close()


routes = URLRouter([path("ws/", PingPong.as_asgi()), path("private/", Private.as_asgi())])
websocket = AllowedHostsOriginValidator(AuthMiddlewareStack(routes))
application = ProtocolTypeRouter({"http": django, "websocket": websocket})
