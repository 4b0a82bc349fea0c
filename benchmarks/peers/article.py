"""Django with a loop beside it, as the article has it: any path, any origin, no lifespan."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django = get_asgi_application()


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    """Answer "ping" with "pong!"."""
    while True:
        event = await receive()
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        if event["type"] == "websocket.disconnect":
            break
        if event["type"] == "websocket.receive" and event["text"] == "ping":
            await send({"type": "websocket.send", "text": "pong!"})


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Split by the type of the scope."""
    if scope["type"] == "http":
        await django(scope, receive, send)
    elif scope["type"] == "websocket":
        await websocket(scope, receive, send)
    else:
        raise NotImplementedError(scope["type"])
