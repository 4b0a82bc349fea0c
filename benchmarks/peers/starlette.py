"""Starlette."""

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


async def ping_pong(websocket: WebSocket) -> None:
    """Answer "ping" with "pong!"."""
    await websocket.accept()
    try:
        while True:
            if await websocket.receive_text() == "ping":
                await websocket.send_text("pong!")
    except WebSocketDisconnect:
        pass


application = Starlette(routes=[WebSocketRoute("/ws/", ping_pong)])
