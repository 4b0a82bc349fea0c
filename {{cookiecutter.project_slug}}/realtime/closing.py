"""Closing connections from outside, in every process."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.http import HttpRequest

from realtime import connections
from realtime.channels import channels, per_loop, publish_from_thread
from realtime.connections import Connection
from realtime.database import after_commit
from realtime.types import OWN, Message, PublishError, check_channel

CHANNEL = f"{OWN}close"  # on which the processes tell each other
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
    using: str | None = None,
) -> None:
    """Close the connections of a session, a user or a channel, in every process, after the commit.

    Several keys narrow it: those of this user in this channel. Connections that begin later stay,
    but for `refuse` seconds. `using` is the database whose transaction it waits for. For
    synchronous code; in a loop, `await sync_to_async(close)(...)`. Raises TypeError without a key,
    ValueError for a close that RFC 6455 does not allow: a reason has at most 123 bytes.
    """
    connections.check_close(code, reason)
    if channel is not None:
        check_channel(channel)
    given = {"session_key": session_key, "user_id": user_id, "channel": channel}
    whose = {key: str(value) for key, value in given.items() if value is not None}
    if not whose:
        raise TypeError("close() takes a session_key, a user_id or a channel")
    close_all(whose, code, reason, refuse=refuse, using=using)


def close_all(
    whose: dict[str, str], code: int, reason: str, *, refuse: float = 0, using: str | None = None
) -> None:
    """Close those of all these groups: see `close`."""
    closing = {"code": code, "reason": reason, "whose": whose, "refuse": refuse}
    after_commit(lambda: announce(closing, time.monotonic()), using)


def announce(closing: dict[str, Any], made: float) -> None:
    """Tell every process. While Redis is away tell this one, and the others when it is back.

    Raises PublishError from a process that does not serve, and may end before.
    """
    try:
        publish_from_thread(CHANNEL, wire(closing, made))
    except PublishError as error:
        serving = [loop for loop, here in list(per_loop.items()) if CHANNEL in here.known]
        serving = [loop for loop in serving if loop.is_running()]
        if not serving:
            raise
        logger.error("Other processes will close connections later. %s", error)
        asyncio.run_coroutine_threadsafe(announce_again(closing, made), serving[0])
        for loop in serving:
            channel = per_loop[loop].known[CHANNEL]
            loop.call_soon_threadsafe(channel.hand_out, wire(closing, made))


async def announce_again(closing: dict[str, Any], made: float) -> None:
    """Tell every process as soon as Redis is back."""
    while True:
        try:
            await channels().backend.publish(CHANNEL, wire(closing, made), True)
            return
        except PublishError:
            await asyncio.sleep(RETRY)


def wire(closing: dict[str, Any], made: float) -> str:
    """The message. Its age, as no two machines have the same clock, spares later connections."""
    return json.dumps({**closing, "age": time.monotonic() - made})


def listen() -> None:
    """Hear, in this event loop, what is to be closed."""
    if CHANNEL not in (here := channels()).known:
        here.channel(CHANNEL).listeners.append(obey)


@asynccontextmanager
async def listening() -> AsyncIterator[None]:
    """Hear it from the start of the service to its end."""
    listen()
    try:
        yield
    finally:
        await channels().close()


def obey(message: Message | None, age: float) -> None:
    """Close the connections that are meant; all of them if a closing was missed and is gone."""
    if message is None:
        connections.end_here("closings may be missing")
        return
    try:
        closing = json.loads(message)
        whose = {str(key): str(value) for key, value in closing["whose"].items()}
        until = time.monotonic() - age - float(closing["age"]) + float(closing["refuse"])
        connections.check_close(closing["code"], closing["reason"])
        connections.end_all(whose, closing["code"], closing["reason"], until)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        logger.warning("What came in as a closing is none: %r", error)


def identify(connection: Connection, request: HttpRequest, user_id: Any) -> None:
    """Note whose the connection is."""
    session_key = getattr(getattr(request, "session", None), "session_key", None)
    login = None if user_id is None else session_key
    for kind, value in (("session_key", session_key), ("user_id", user_id), ("login", login)):
        if value is not None:
            connection.join(kind, value)
    if login is not None:
        connection.due = 0
