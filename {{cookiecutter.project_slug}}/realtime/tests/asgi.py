"""A service made of the machinery alone."""

from typing import Any

from django.core.asgi import get_asgi_application

from realtime.asgi import WebSocketHandler
from realtime.lifespan import Lifespan
from realtime.types import Receive, Scope, Send

parts: dict[str, Any] = {
    "http": get_asgi_application(),
    "websocket": WebSocketHandler(),
    "lifespan": Lifespan(),
}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand the connection to the part that speaks its protocol."""
    await parts[scope["type"]](scope, receive, send)
