"""Broadcast: what one publishes to a channel goes to every client that subscribes to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from realtime import channels
from realtime.connection import current
from realtime.hub import hub
from realtime.joining import entering, release
from realtime.outbox import Outbox
from realtime.types import Message, PublishError, Send

__all__ = ["PublishError", "publish", "publish_on_commit", "subscribe"]


@asynccontextmanager
async def subscribe(channel: str, send: Send) -> AsyncIterator[None]:
    """Send every message of the channel to this client, in order, until the block ends.

    At most 1,024 messages wait for it. Publishers wait while it is behind, if it reads: takes
    something every two seconds. If not it delays nobody, and is closed with 1013 (IANA's "try
    again later"). Accept at the beginning of the block: nothing published after the handshake is
    missed then.
    """
    here, outbox, connection = hub(), Outbox(channel, send), current.get(None)
    try:
        with entering(connection):
            await here.add(channel, outbox.put)
        release(outbox, connection)
        yield
        outbox.release()
        await asyncio.sleep(0)  # for what was published last
    finally:
        here.remove(channel, outbox.put)
        await outbox.stop()


async def publish(channel: str, message: Message) -> None:
    """Send a text (str) or binary (bytes) message to every subscriber in every process.

    Messages of one publisher arrive in order. Raises PublishError if Redis is away.
    """
    await channels.send(channel, check(message))


def publish_on_commit(channel: str, message: Message) -> None:
    """`publish` for synchronous code: once the transaction commits, at once where there is none.

    Raises PublishError if Redis is away; after a commit it comes from the end of the transaction.
    """
    channels.after_commit(partial(channels.send_from_thread, channel, check(message)))


def check(message: Message) -> Message:
    """Return the message. Raises TypeError if it is neither text nor binary."""
    if not isinstance(message, (str, bytes)):
        raise TypeError(f"a message is str or bytes, not {type(message).__name__}: {message!r}")
    if isinstance(message, str):
        message.encode()  # raises UnicodeEncodeError, which each `send` would do otherwise
    return message
