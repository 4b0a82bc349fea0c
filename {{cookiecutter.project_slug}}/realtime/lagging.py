"""Which clients are behind."""

import asyncio

from realtime.outbox import Outbox, lagging

# Seconds after its last progress for which a client counts as one that reads. With what the
# kernel and the server hold, that is some 100 KB a second.
PATIENCE = 2.0


def behind(channel: str) -> list[asyncio.Task[None]]:
    """The tasks that send to those clients of the channel which are behind, but read."""
    loop = asyncio.get_running_loop()
    since = loop.time() - PATIENCE

    def waited_for(outbox: Outbox) -> bool:
        return (outbox.channel, outbox.loop) == (channel, loop) and outbox.progress > since

    return [outbox.task for outbox in lagging if outbox.task and waited_for(outbox)]
