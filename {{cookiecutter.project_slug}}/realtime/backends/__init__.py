"""How a message reaches the other processes, and what is kept for those who come back.

A backend is a module with a function for synchronous code, `publish_from_thread(channel, message,
keep)`, and a class, `Backend(channels)`, made in an event loop, with

- the coroutines `publish(channel, message, keep)`, and `since(channel, position)`, which waits
  until it has an answer,
- `agree(channel)`, which subscribes if the channel is in `channels.known`, and else leaves it,
- `error`, why messages do not come in, or None.

It runs in tasks of `channels.start`, which end with the channels. The module for Redis has
`ping()`, too, for /readyz: it raises if there is no answer.

It tells `channels` what happens: `receive` for each message, `subscribed` when what is published to
a channel comes in from here on, `cut` when that is over, `away` when it did not come back at once.
Messages of a channel may come twice, late or not at all, as long as `since` has them. Publishing
raises PublishError if it cannot be done.
"""

from secrets import token_hex
from typing import NamedTuple

from django.conf import settings

from realtime.types import OWN, Message

KNOWN = 86_400  # seconds after its last use that a channel's position is known
CLOSINGS = 10_000  # of the machinery, that are kept
BYTES = 8 << 20  # that are kept of a channel, or characters: beyond them the older half goes


class Position(NamedTuple):
    """Where a channel stands: an offset, which each kept message raises by one, in an epoch.

    Offsets of two epochs say nothing about each other.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"


EVERYTHING = Position("everything", 0)  # to ask for all that is kept


class Kept(NamedTuple):
    """What a channel keeps since a position: all that came after it up to `top`.

    Or, if there is a `gap`, all that it keeps at all. Without a position it is `top` alone.
    """

    top: Position
    messages: list[tuple[Message, float]]  # with its age in seconds, up to `top`
    gap: bool
    quiet: float  # seconds since the last message, kept or not any more


def parse(text: str) -> Position | None:
    """The position that a client names; None if it is none."""
    epoch, _, offset = text.rpartition("-")
    if len(text) <= 64 and offset.isascii() and offset.isdigit():
        return Position(epoch, int(offset))
    return None


def limits(channel: str) -> tuple[int, int]:
    """How many seconds after its last message what is kept of a channel is, and how much at most.

    Closings are kept whatever the settings say.
    """
    if channel.startswith(OWN):
        return KNOWN, CLOSINGS
    return settings.HISTORY_SECONDS, settings.HISTORY_MESSAGES


def kept(
    channel: str,
    position: Position | None,
    top: Position,
    messages: list[tuple[Message, float]],
    quiet: float,
) -> Kept:
    """What is kept since the position, of messages that end with `top`."""
    seconds, most = limits(channel)
    if not seconds:
        return Kept(Position(token_hex(6), 1), [], position is not None, quiet=0)
    if position is None:
        return Kept(top, [], False, quiet)
    number = top.offset - position.offset
    if position.epoch != top.epoch or not 0 <= number <= min(len(messages), most):
        return Kept(top, messages, True, quiet)
    return Kept(top, messages[len(messages) - number :], False, quiet)
