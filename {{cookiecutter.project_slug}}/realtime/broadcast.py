"""Broadcast: what one publishes to a channel goes to every client that subscribes to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from realtime import channels
from realtime.hub import hub
from realtime.outbox import Outbox
from realtime.types import Message, PublishError, Send

__all__ = ["PublishError", "publish", "publish_on_commit", "subscribe"]


@asynccontextmanager
async def subscribe(channel: str, send: Send) -> AsyncIterator[None]:
    """Send every message of the channel to this client, in order, until the block ends.

    At most 1,024 messages wait for it: a client that does not read is closed with 1013 (RFC 6455,
    section 7.4.1, IANA's "try again later") and delays nobody. One that reads is waited for.
    Accept within the block: nothing that is published after the handshake is missed then.
    """
    here, outbox = hub(), Outbox(channel, send)
    try:
        await here.add(channel, outbox.put)
        yield
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
    return message
