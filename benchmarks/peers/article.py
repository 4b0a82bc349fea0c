"""Django with a loop beside it, for any path and any origin, and without lifespan.

As in "How to Add Websockets to a Django App without Extra Dependencies" by Jayden Windle, 2020:
https://hackernoon.com/how-to-add-websockets-to-a-django-app-without-extra-dependencies-u61537a2
"""

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
