"""Channels: what is sent reaches all receivers of this process or, through Redis, of every one."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from django.conf import settings
from django.db import connection, transaction

from realtime.hub import hub, hubs
from realtime.types import Message

PATIENCE = 5.0  # seconds that another thread waits for clients that are behind
BLOCKED = 15.0  # seconds that it waits for an event loop


async def send(channel: str, message: Message) -> None:
    """Send to the channel. Raises PublishError if Redis is away."""
    here = hubs.get(asyncio.get_running_loop())
    if not settings.REDIS_URL:
        for future in deliver_elsewhere(channel, message):
            await asyncio.wrap_future(future)
        await (here.deliver(channel, message) if here else asyncio.sleep(0))
    elif here and here.link:
        from realtime.redis_publish import publish  # redis is an optional dependency

        await publish(here.link, channel, message)
        await here.give_way(channel)
    else:
        await asyncio.to_thread(send_from_thread, channel, message)


def send_from_thread(channel: str, message: Message) -> None:
    """Send from synchronous code; it returns when the message is handed out, or in Redis.

    Raises PublishError if Redis is away, TimeoutError if the event loop is blocked.
    """
    if settings.REDIS_URL:
        from realtime.redis_publish import publish_from_thread  # redis is an optional dependency

        publish_from_thread(channel, message)
    else:
        hand_out(channel, message)


def hand_out(channel: str, message: Message) -> None:
    """Send from synchronous code to the receivers of this process only."""
    if running():
        hub().hand_out(channel, message)
    for future in deliver_elsewhere(channel, message):
        future.result(BLOCKED)


def running() -> asyncio.AbstractEventLoop | None:
    """The event loop of this thread, if it has one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def deliver_elsewhere(channel: str, message: Message) -> Iterator[Future[None]]:
    """Deliver in the event loops of other threads."""
    here = running()
    for loop, other in list(hubs.items()):
        if loop is not here and loop.is_running() and channel in other.receivers:
            work = other.deliver(channel, message, PATIENCE)
            yield asyncio.run_coroutine_threadsafe(work, loop)


def after_commit(function: Callable[[], None]) -> None:
    """Call the function once the transaction commits, at once where there is none."""
    manual = connection.connection and not connection.autocommit  # `on_commit` raises then
    if connection.in_atomic_block or manual:
        transaction.on_commit(function)
    else:
        function()
