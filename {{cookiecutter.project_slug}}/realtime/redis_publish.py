"""Publishing through Redis. Raises PublishError when it is away."""

import asyncio

from realtime import redis_wire as wire
from realtime.redis_link import RedisLink, links
from realtime.redis_subscriptions import ANSWER
from realtime.types import Message, PublishError


async def publish(link: RedisLink, channel: str, message: Message) -> None:
    """Publish in the event loop of the link."""
    try:
        async with asyncio.timeout(ANSWER):
            await link.subscriptions.tried.wait()
        if link.error:
            raise PublishError(link.error)
        await link.client.publish(wire.name(channel), wire.encode(message))
    except wire.FAILURES as error:
        raise PublishError(f"Redis is away: {error}") from error


def publish_from_thread(channel: str, message: Message) -> None:
    """Publish in synchronous code."""
    for link in list(links):
        if link.error:  # Redis may be back, but not all processes have subscribed yet
            raise PublishError(link.error)
    try:
        wire.client().publish(wire.name(channel), wire.encode(message))
    except wire.FAILURES as error:
        raise PublishError(f"Redis is away: {error}") from error
