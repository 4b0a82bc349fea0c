"""The loops of this service: each holds one WebSocket connection from its handshake to its end."""

from django.http import HttpRequest

from realtime.handshake import websocket
from realtime.types import Receive, Send


@websocket
async def ping_pong(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Answer every "ping" with "pong!" until the client leaves."""
    while True:
        match await receive():
            case {"type": "websocket.connect"}:
                await send({"type": "websocket.accept"})
            case {"type": "websocket.receive", "text": "ping"}:
                await send({"type": "websocket.send", "text": "pong!"})
            case {"type": "websocket.disconnect"}:
                return
