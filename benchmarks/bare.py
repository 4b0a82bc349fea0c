"""The ping/pong loop as an ASGI application by itself: the limit of what a server can do."""

from typing import Any


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer "ping" with "pong!" on any path, and nothing else."""
    while True:
        match await receive():
            case {"type": "websocket.connect"}:
                await send({"type": "websocket.accept"})
            case {"type": "websocket.receive", "text": "ping"}:
                await send({"type": "websocket.send", "text": "pong!"})
            case {"type": "websocket.disconnect" | "lifespan.shutdown"}:
                return
            case {"type": "lifespan.startup"}:
                await send({"type": "lifespan.startup.complete"})
