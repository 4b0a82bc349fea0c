"""django-socket."""

from typing import Any

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from django_socket import ASGIApplication, ws  # noqa: E402


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


application = ASGIApplication(django)
