"""Tests of the machinery: routes and loops of their own, nothing of config/.

They are Django's TestCases, which pytest-django and Django's own runner both run.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import models
from django.test import AsyncClient, override_settings
from django.utils import timezone

from realtime.connections import Connection
from realtime.resuming import RS
from realtime.testing import ConnectionClosed, HandshakeRefused, WebSocketClient
from realtime.types import Event, Message

OWN: dict[str, Any] = {
    "ASGI_APPLICATION": "realtime.tests.service.application",
    "ROOT_URLCONF": "realtime.tests.service",
    "ALLOWED_HOSTS": ["testserver"],
    "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    "CSRF_TRUSTED_ORIGINS": ["https://app.example.com", "https://*.example.org"],
    "DRAIN_SECONDS": 0,
    "LOGIN_URL": "/login/",
    "HISTORY_MESSAGES": 1000,
    "HISTORY_SECONDS": 120,
    "MAX_CONNECTIONS": None,
    "MAX_CONNECTIONS_PER_USER": None,
    "REDIS_URL": None,
    "SECURE_PROXY_SSL_HEADER": None,
    "SECURE_SSL_REDIRECT": False,
    "TEMPLATES": [],  # nor a 404.html of the service's
    "X_FRAME_OPTIONS": "DENY",
    "MIDDLEWARE": [
        "realtime.health.health",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
}
own_settings = override_settings(**OWN)


def make_user(name: str) -> Any:
    """A user of this name, whatever AUTH_USER_MODEL is."""
    model: Any = get_user_model()
    values: dict[str, Any] = {}
    for field in {model.USERNAME_FIELD, *model.REQUIRED_FIELDS}:
        match model._meta.get_field(field):
            case models.EmailField():
                values[field] = f"{name}@example.com"
            case models.DateField():  # or a DateTimeField, which is one
                values[field] = timezone.now()
            case models.IntegerField():
                values[field] = model._default_manager.count()
            case _:
                values[field] = name
    return model._default_manager.create(**values)


async def nowhere(event: Event) -> None:
    """The `send` of a connection that nobody sends to."""


async def refusal(path: str, **options: Any) -> HandshakeRefused:
    """The refusal of a handshake."""
    try:
        async with WebSocketClient(path, **options):
            raise AssertionError(f"{path} was accepted")
    except HandshakeRefused as refused:
        return refused


async def ended(client: WebSocketClient) -> tuple[int, str]:
    """The code and the reason with which the service closes."""
    try:
        message = await client.receive()
    except ConnectionClosed as closed:
        return closed.code, closed.reason
    raise AssertionError(f"no close, but {message!r}")


async def answers(client: WebSocketClient) -> bool:
    """Whether ping/pong is still there."""
    await client.send("ping")
    return await client.receive() == "pong!"


async def browser_of(user: Any) -> AsyncClient:
    """A browser in which the user is logged in, or with a session of nobody's."""
    browser = AsyncClient()
    if user:
        await browser.aforce_login(user)
    else:
        session = await sync_to_async(lambda: browser.session)()
        session["seen"] = True
        await session.asave()
        browser.cookies["sessionid"] = str(session.session_key)
    return browser


@asynccontextmanager
async def connected(browser: AsyncClient, path: str = "/ws/") -> AsyncIterator[WebSocketClient]:
    """A connection with the session of a browser."""
    cookie = browser.cookies.output(attrs=[], header="", sep=";").strip()
    async with WebSocketClient(path, headers={"Cookie": cookie}) as client:
        yield client


async def code_of(work: Callable[[Connection], Awaitable[None]]) -> int | None:
    """The code with which a connection is ended at its work, in a task of its own."""
    connection = Connection(nowhere)
    try:
        await work(connection)
    except asyncio.CancelledError:
        return connection.code
    finally:
        connection.forget()
    return None


class Resumed:
    """What a client of a room gets that resumes."""

    def __init__(self, client: WebSocketClient) -> None:
        self.client, self.position, self.gaps = client, "", 0

    async def stand(self) -> None:
        """Take the position that the service says, with no message."""
        said: Any = await self.client.receive()
        if not (found := re.fullmatch(RS + f"(!?)([^ !{RS}]+)", said)):
            raise AssertionError(f"no position, but {said!r}")
        if len(found[2]) > 64:
            raise AssertionError(f"a position of more than 64 characters: {found[2]}")
        self.gaps += bool(found[1])
        self.position = found[2]

    async def message(self) -> Message:
        """The next message, whose position is noted."""
        said: Any = await self.client.receive()
        rs: Any = RS if isinstance(said, str) else RS.encode()
        if said[:1] != rs or said.count(rs) < 2:
            raise AssertionError(f"no message with a position, but {said!r}")
        position, message = said[1:].split(rs, 1)
        self.position = position if isinstance(position, str) else position.decode()
        return message  # type: ignore[no-any-return]


@asynccontextmanager
async def resumed(room: str, after: str = "") -> AsyncIterator[Resumed]:
    """A client in the room, which has been told where it stands."""
    async with WebSocketClient(f"/rooms/{room}/?after={after}") as client:
        resumed = Resumed(client)
        await resumed.stand()
        yield resumed
