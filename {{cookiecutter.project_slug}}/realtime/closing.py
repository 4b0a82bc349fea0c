"""Closing connections from outside, in every process: by `close`, and when a right ends."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from realtime import connections
from realtime.broadcast import (
    PublishError,
    after_commit,
    channels,
    hand_out_here,
    per_loop,
    publish,
    publish_from_thread,
)
from realtime.types import Event

CHANNEL = "realtime.close"  # on which the processes tell each other
LOGGED_OUT = 4401  # of the range for private use (RFC 6455, section 7.4.2), after HTTP's 401
LOGOUT = 10.0  # seconds that a logout goes on: its signal comes before the session is deleted
HANDSHAKE = 60.0  # seconds for which a closing is remembered, for handshakes that are under way
RETRY = 0.5  # seconds between attempts to tell the other processes
logger = logging.getLogger(__name__)


def close(
    code: int,
    reason: str = "",
    *,
    session_key: str | None = None,
    user_id: Any = None,
    channel: str | None = None,
    refuse: float = 0,
) -> None:
    """Close the connections of a session, a user or a channel, in every process, after the commit.

    Several keys narrow it: those of this user in this channel. For synchronous code; in a loop,
    `await sync_to_async(close)(...)`. A reason has at most 123 bytes (RFC 6455, section 5.5). For
    `refuse` seconds more, new ones are closed as well. Raises TypeError without a key.
    """
    given = {"session_key": session_key, "user_id": user_id, "channel": channel}
    whose = {key: str(value) for key, value in given.items() if value is not None}
    if not whose:
        raise TypeError("close() takes a session_key, a user_id or a channel")
    closing = {"code": code, "reason": reason, "whose": whose, "refuse": refuse}
    after_commit(lambda: announce(json.dumps(closing)))


def announce(closing: str) -> None:
    """Tell every process. While Redis is away tell this one, and the others when it is back.

    Raises PublishError from a process that does not serve, and may end before.
    """
    try:
        publish_from_thread(CHANNEL, closing)
    except PublishError as error:
        loops = [loop for loop, here in list(per_loop.items()) if here.redis]
        serving = [loop for loop in loops if loop.is_running()]
        if not serving:
            raise
        logger.error("Other processes will close connections later. %s", error)
        asyncio.run_coroutine_threadsafe(announce_again(closing), serving[0])
        hand_out_here(CHANNEL, closing)


async def announce_again(closing: str) -> None:
    """Tell every process as soon as Redis is back."""
    while True:
        try:
            return await publish(CHANNEL, closing)
        except PublishError:
            await asyncio.sleep(RETRY)


def listen() -> None:
    """Hear, in this event loop, what is to be closed."""
    channels().subscribers.setdefault(CHANNEL, {})[obey] = None


@asynccontextmanager
async def listening() -> AsyncIterator[None]:
    """Hear it from the start of the service to its end."""
    listen()
    try:
        yield
    finally:
        await channels().close()


def obey(event: Event) -> None:
    """Close the connections that are meant."""
    closing, now = json.loads(event["text"]), time.monotonic()
    closing["until"] = now + closing["refuse"]
    late = [one for one in connections.recent if one["until"] > now - HANDSHAKE]
    connections.recent[:] = [*late, closing]
    loop = asyncio.get_running_loop()
    for connection in connections.belonging(closing["whose"]):
        if connection.loop is loop:
            connection.end(closing["code"], closing["reason"])


def identify(connection: connections.Connection, request: HttpRequest, user_id: Any) -> None:
    """Note whose the connection is."""
    session_key = getattr(getattr(request, "session", None), "session_key", None)
    for kind, value in (("session_key", session_key), ("user_id", user_id)):
        if value is not None:
            connection.join(kind, value)


@receiver(user_logged_out)
def close_session(request: HttpRequest | None, **kwargs: Any) -> None:
    """Close the session's connections, and those that it still opens before it is deleted."""
    session = getattr(request, "session", None)
    if key := getattr(session, "session_key", None):
        close(LOGGED_OUT, "logged out", session_key=key, refuse=LOGOUT)


@receiver(post_save)
def close_changed_user(instance: Any, created: bool, **kwargs: Any) -> None:
    """Close a user's connections after a change of the password, or a deactivation.

    `_password` holds a new password while the user is saved (AbstractBaseUser.save).
    """
    if isinstance(instance, get_user_model()) and not created:  # of a proxy model, too
        if vars(instance).get("_password") is not None or not instance.is_active:
            close(LOGGED_OUT, "account changed", user_id=instance.pk)


@receiver(post_delete)
def close_deleted_user(instance: Any, **kwargs: Any) -> None:
    """Close a deleted user's connections."""
    if isinstance(instance, get_user_model()):
        close(LOGGED_OUT, "account deleted", user_id=instance.pk)
