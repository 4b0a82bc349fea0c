"""The loops of this service: each holds one WebSocket connection from its handshake to its end."""

from django.http import HttpRequest

from realtime.broadcast import PublishError, publish, subscribe
from realtime.handshake import websocket
from realtime.messages import dumps
from realtime.presence import changes, members, present
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


@websocket
async def people(request: HttpRequest, receive: Receive, send: Send, room: str) -> None:
    """Put a client into the room's list under its name; tell it the list, and what changes."""

    async def everybody() -> list[str]:
        return [dumps({"members": await members(f"room.{room}")})]

    await receive()  # websocket.connect
    name = request.GET.get("name", "somebody").replace("\0", "")  # which `present` refuses
    news = changes(f"room.{room}")
    async with present(f"room.{room}", name), subscribe(news, send, first=everybody):
        await send({"type": "websocket.accept"})
        while True:
            match await receive():
                case {"type": "websocket.receive", "text": "ping"}:
                    await send({"type": "websocket.send", "text": "pong!"})
                case {"type": "websocket.disconnect"}:
                    return
