"""Publishing through Redis. Raises PublishError when it is away."""

import asyncio

from realtime import redis_wire as wire
from realtime.redis_link import RedisLink, links
from realtime.redis_subscriptions import ANSWER
from realtime.types import Message, PublishError


async def publish(link: RedisLink, channel: str, message: Message) -> None:
    """Publish in the event loop of the link, with all that is published meanwhile."""
    done = asyncio.get_running_loop().create_future()
    link.outgoing.append((wire.name(channel), wire.encode(message), done))
    if len(link.outgoing) == 1:
        link.start(publish_all(link))
    if error := await done:
        raise PublishError(error)


async def publish_all(link: RedisLink) -> None:
    """Publish what there is, in order, on one connection."""
    while batch := link.outgoing[:1000]:
        try:
            async with asyncio.timeout(ANSWER):
                await link.subscriptions.tried.wait()
            if not (error := link.error):
                async with link.client.pipeline(transaction=False) as pipeline:
                    for name, data, _ in batch:
                        pipeline.publish(name, data)
                    await pipeline.execute()
        except Exception as failure:  # which must not leave anybody waiting
            error = f"Redis is away: {failure}"
        del link.outgoing[: len(batch)]
        for _, _, done in batch:
            if not done.done():
                done.set_result(error)


def publish_from_thread(channel: str, message: Message) -> None:
    """Publish in synchronous code."""
    for link in list(links):
        if link.error and link.loop.is_running():  # some processes may not have subscribed again
            raise PublishError(link.error)
    try:
        wire.client().publish(wire.name(channel), wire.encode(message))
    except wire.FAILURES as error:
        raise PublishError(f"Redis is away: {error}") from error
