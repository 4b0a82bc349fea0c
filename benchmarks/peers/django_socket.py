"""django-socket."""

from typing import Any

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from asgiref.sync import sync_to_async  # noqa: E402
from django_socket import ASGIApplication, broadcast, ws  # noqa: E402

from benchmarks.peers.common import MESSAGE, wait  # noqa: E402


@ws("ws/")
async def ping_pong(sock: Any) -> None:
    """Answer "ping" with "pong!"."""
    async for message in sock:
        if message.text == "ping":
            await sock.send("pong!")


@ws("private/")
async def private(sock: Any) -> None:
    """The same for who is logged in."""
    if sock.user.is_authenticated:
        await ping_pong(sock)


@ws("member/", group="fanout")
async def member(sock: Any) -> None:
    """Be in the room."""
    async for _ in sock:
        pass


@ws("control/")
async def control(sock: Any) -> None:
    """Publish so many messages to the room."""
    async for message in sock:
        for _ in range(int(message.text.split()[1])):
            await sock.broadcast(MESSAGE, to="fanout")


async def tell(text: str) -> None:
    """Publish to the room, from any process."""
    await broadcast(text, to="fanout")


@ws("query/")
async def query(sock: Any) -> None:
    """Answer after a query."""
    async for _ in sock:
        await sync_to_async(wait)()
        await sock.send("pong!")


application = ASGIApplication(django)
