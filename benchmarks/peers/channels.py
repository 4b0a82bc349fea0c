"""Channels, as its tutorial puts it together: hosts, sessions and users, routes, consumers."""

from typing import Any

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.db import database_sync_to_async  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402

from benchmarks.peers.common import MESSAGE, wait  # noqa: E402


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


class Member(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Is in the room."""

    async def connect(self) -> None:
        await self.channel_layer.group_add("fanout", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("fanout", self.channel_name)

    async def say(self, event: Any) -> None:
        """Hand a message of the room on."""
        await self.send(text_data=event["text"])


class Control(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Publishes so many messages to the room."""

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        for _ in range(int(text_data.split()[1])):
            await self.channel_layer.group_send("fanout", {"type": "say", "text": MESSAGE})


async def tell(text: str) -> None:
    """Publish to the room, from any process."""
    await get_channel_layer().group_send("fanout", {"type": "say", "text": text})


class Query(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Answers after a query."""

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        await database_sync_to_async(wait)()
        await self.send(text_data="pong!")


PATHS = {"ws/": PingPong, "private/": Private, "member/": Member}
PATHS |= {"control/": Control, "query/": Query}
routes = URLRouter([path(route, consumer.as_asgi()) for route, consumer in PATHS.items()])
websocket = AllowedHostsOriginValidator(AuthMiddlewareStack(routes))
application = ProtocolTypeRouter({"http": django, "websocket": websocket})
