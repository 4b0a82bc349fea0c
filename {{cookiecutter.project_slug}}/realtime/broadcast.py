"""Broadcast: what one publishes to a channel goes to every client that subscribes to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from realtime.channels import channels, per_loop, publish_from_thread
from realtime.connections import current, tally
from realtime.database import after_commit
from realtime.outbox import Outbox, give_way
from realtime.resuming import First, StateFirst
from realtime.types import Message, PublishError, Send, check, check_channel

__all__ = ["PublishError", "publish", "publish_on_commit", "subscribe"]


@asynccontextmanager
async def subscribe(
    channel: str, send: Send, after: str | None = None, *, first: First | None = None
) -> AsyncIterator[None]:
    """Send every message of the channel to this client, in order, until the block ends.

    `send` is called after the accept only, and nothing that is published from here on is missed,
    however long the accept takes. Publishers wait up to a second for a client that is behind; one
    that does not read is closed with 1013: see `outbox.py`. One that has missed messages which are
    kept no more, as after a long outage of Redis, is closed with 1012.

    With `after`, the position that a client has come to or "" for a new one, it gets each message
    with its position, and first what it missed, or word that some of that is gone: see
    `resuming.py`. `first` is an `async def` that returns messages, such as the last ones in the
    database: a new client and one with a gap get them before all that is published from here on.
    """
    check_channel(channel)
    here, outbox, owner = channels(), Outbox(channel, send), current.get(None)
    if first:
        outbox.first, outbox.send, outbox.write = first, StateFirst(outbox, first), None
    if owner:
        owner.join("channel", channel)
    try:
        await here.join(outbox, after)
        yield
        await asyncio.sleep(0)  # for what was published last
        await outbox.finish()
    finally:
        here.leave(outbox)
        if owner:
            owner.part("channel", channel)
        await outbox.stop()


async def publish(channel: str, message: Message, *, keep: bool = True) -> None:
    """Send a text (str) or binary (bytes) message to every subscriber in every process.

    It is kept for those who come back, unless `keep` is False. Messages of one publisher arrive in
    order. Raises PublishError if Redis is away.
    """
    check_channel(channel)
    message, here = check(message), per_loop.get(asyncio.get_running_loop())
    if here:
        await here.backend.publish(channel, message, keep)
        tally["published"] += 1
    else:
        await asyncio.to_thread(publish_now, channel, message, keep)
    await give_way(channel)


def publish_on_commit(
    channel: str, message: Message, using: str | None = None, *, keep: bool = True
) -> None:
    """`publish` for synchronous code: once the transaction commits, at once where there is none.

    `using` is the alias of the transaction's database. At once it raises PublishError if Redis is
    away, TimeoutError if the event loop is blocked; after a commit Django logs them.
    """
    check_channel(channel)
    check(message)
    after_commit(lambda: publish_now(channel, message, keep), using)


def publish_now(channel: str, message: Message, keep: bool) -> None:
    """Publish in a thread."""
    publish_from_thread(channel, message, keep)
    tally["published"] += 1
