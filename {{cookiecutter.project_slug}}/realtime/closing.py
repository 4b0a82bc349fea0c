"""Closing connections from outside, in every process."""

import asyncio
import json
import logging
from typing import Any

from realtime import channels
from realtime.hub import hubs
from realtime.types import PublishError

CHANNEL = "realtime.close"  # on which the processes tell each other
PAUSE = 0.5  # seconds between attempts
tasks: set[asyncio.Task[None]] = set()
logger = logging.getLogger(__name__)


def close(
    code: int,
    reason: str = "",
    *,
    session_key: str | None = None,
    user_id: Any = None,
    refuse: float = 0,
) -> None:
    """Close the connections of a session, or of a user, in every process, after the commit.

    For synchronous code; in a loop, `await sync_to_async(close)(...)`. A reason has at most 123
    bytes (RFC 6455, section 5.5). For `refuse` seconds more, new ones are closed as well.
    """
    given = {"session_key": session_key, "user_id": user_id}
    whose = {key: str(value) for key, value in given.items() if value is not None}
    if len(whose) != 1:
        raise TypeError("close() takes a session_key or a user_id")
    closing = {"code": code, "reason": reason, "whose": whose, "refuse": refuse}
    channels.after_commit(lambda: announce(json.dumps(closing)))


def announce(closing: str) -> None:
    """Tell every process. While Redis is away tell this one, and the others when it is back.

    Raises PublishError from a process that does not serve, and may end before.
    """
    try:
        channels.send_from_thread(CHANNEL, closing)
    except PublishError as error:
        serving = [loop for loop, hub in list(hubs.items()) if hub.link and loop.is_running()]
        if not serving:
            raise
        logger.error("Other processes will close connections later. %s", error)
        serving[0].call_soon_threadsafe(announce_later, closing)
        channels.hand_out(CHANNEL, closing)


def announce_later(closing: str) -> None:
    """Tell every process as soon as Redis is back."""
    task = asyncio.create_task(announce_again(closing))
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def announce_again(closing: str) -> None:
    """Try until every process is told."""
    while True:
        try:
            return await channels.send(CHANNEL, closing)
        except PublishError:
            await asyncio.sleep(PAUSE)
