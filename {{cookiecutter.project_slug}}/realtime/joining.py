"""The moment between a subscription and the accept, before which nothing may be sent."""

from collections.abc import Iterator
from contextlib import contextmanager

from realtime.connection import Connection
from realtime.outbox import Outbox

HOLD = 0.01  # seconds


@contextmanager
def entering(connection: Connection | None) -> Iterator[None]:
    """Note that a block is about to begin."""
    if connection:
        connection.entering += 1
    try:
        yield
    finally:
        if connection:
            connection.entering -= 1


def release(outbox: Outbox, connection: Connection | None) -> None:
    """Let it send soon, but not while a block is about to begin: the accept follows the last."""

    def attempt() -> None:
        if connection and connection.entering:
            outbox.loop.call_later(HOLD, attempt)
        else:
            outbox.release()

    outbox.loop.call_later(HOLD, attempt)
