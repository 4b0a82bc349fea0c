"""Closing connections from outside, in every process."""

import asyncio
import json
import logging
from collections import deque
from typing import Any

from realtime import channels
from realtime.types import Event, PublishError

CHANNEL = "realtime.close"  # on which the processes tell each other
unsent: deque[str] = deque()  # what the others have to hear when Redis is back
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
    """Tell every process; while Redis is away this one, and the others when it is back."""
    try:
        channels.send_from_thread(CHANNEL, closing)
    except PublishError as error:
        logger.error("Other processes will close connections later. %s", error)
        channels.hand_out(CHANNEL, closing)
        unsent.append(closing)


def announce_again(event: Event) -> None:
    """Tell what could not be told before."""
    while unsent:
        task = asyncio.create_task(send(unsent.popleft()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def send(closing: str) -> None:
    """Tell every process, or keep it for the next time."""
    try:
        await channels.send(CHANNEL, closing)
    except PublishError:
        unsent.append(closing)
