"""The loops of this service: each holds one WebSocket connection from its handshake to its end."""

from django.http import HttpRequest

from realtime.broadcast import PublishError, publish, subscribe
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


@websocket
async def room(request: HttpRequest, receive: Receive, send: Send, room: str) -> None:
    """Send what a client says to everyone in the room."""
    await receive()  # websocket.connect
    async with subscribe(f"room.{room}", send, request.GET.get("after")):
        await send({"type": "websocket.accept"})  # in here, so that the client misses nothing
        while True:
            match await receive():
                case {"type": "websocket.receive", "text": "ping"}:  # a client asks: is it alive?
                    await send({"type": "websocket.send", "text": "pong!"})
                case {"type": "websocket.receive", "text": str(text)}:
                    try:
                        await publish(f"room.{room}", text)
                    except PublishError as error:
                        await send({"type": "websocket.send", "text": f"Not sent: {error}"})
                case {"type": "websocket.disconnect"}:
                    return
