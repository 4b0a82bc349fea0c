"""How much one client may: messages a second, and one user: connections at once."""

import asyncio
import time
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from realtime import server
from realtime.connections import current, groups, unavailable
from realtime.types import Event, Receive

TOO_MANY = 4429  # of the range for private use (RFC 6455, section 7.4.2), after HTTP's 429
LINGER = 1.0  # seconds for the close, after which its TCP connection is dropped


def limited(receive: Receive, rate: float, burst: int, *, slow: bool = False) -> Receive:
    """Return a `receive` that takes `rate` messages a second, and a `burst` after a silence.

    A client that sends more is closed with 4429, or if `slow` waits: nothing is read meanwhile.
    Raises ValueError for a rate of 0 or less, or a burst of less than 1.
    """
    if not (rate > 0 and burst >= 1):
        raise ValueError(
            f"limited() takes a rate above 0 and a burst of 1 or more, not {rate, burst}"
        )
    connection, due = current.get(), 0.0  # `due`: when what came would have come at this rate
    ahead = (burst - 1) / rate + 1e-6  # seconds that it may be, and one microsecond for rounding

    async def receive_limited() -> Event:
        nonlocal due
        if slow and (early := due - time.monotonic() - ahead) > 0:
            await asyncio.sleep(early)  # before, or a loop that is cancelled would lose a message
        event = await receive()
        if event["type"] == "websocket.receive":
            now = time.monotonic()
            if due - now > ahead and not slow:
                connection.end(TOO_MANY, "too many messages")
                connection.loop.call_later(LINGER, server.drop, connection.protocol)
                await asyncio.Event().wait()  # for the cancellation
            due = max(due, now) + 1 / rate
        return event

    return receive_limited


def one_too_many(user_id: Any) -> HttpResponse | None:
    """The refusal of one more connection, if the user has as many as they may in this process."""
    if not (most := settings.MAX_CONNECTIONS_PER_USER):
        return None
    theirs = list(groups.get(("user_id", str(user_id)), ()))
    if sum(each.code is None for each in theirs) < most:
        return None
    return unavailable(f"too many connections of user {user_id}", 429)
