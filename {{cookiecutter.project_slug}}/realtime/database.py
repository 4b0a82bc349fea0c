"""Database work that does not queue behind the one thread which all loops share."""

import asyncio
import atexit
import time
from threading import current_thread
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.db import connections
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from realtime.threads import Threads

free: list[Threads] = []  # each a single thread, which has ended if it was not used of late
shared = False  # during a test, whose transaction belongs to one connection


class database_thread:
    """`async with database_thread():` gives the block a thread and a connection of its own.

    Its ORM calls run there; both are given back at its end. Tasks that the block starts must end
    within it.
    """

    async def __aenter__(self) -> None:
        if shared:
            return
        self.thread = free.pop() if free else Threads("database", size=1)
        self.thread.held = True
        self.context = ThreadSensitiveContext(executor=self.thread)
        await self.context.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        if shared:
            return
        await self.context.__aexit__(*error)
        closed = self.thread.submit(connections.close_all)
        self.thread.held = False
        await asyncio.shield(asyncio.wrap_future(closed))
        free.append(self.thread)


@receiver(connection_created)
def keep(connection: Any, **kwargs: Any) -> None:
    """Let a connection live as long as its handshake thread, a minute at most.

    Django would open one for each handshake, a quarter of what one with a session costs on SQLite.
    A pool keeps connections by itself.
    """
    pool = connection.settings_dict["OPTIONS"].get("pool")
    if current_thread().name == "handshake" and not pool:
        connection.close_at = time.monotonic() + 60
        connection.health_check_enabled = True


@atexit.register
def close_pools() -> None:
    """Stop the threads of the pools; at the end of the process psycopg would wait 5 s for each."""
    for connection in connections.all():
        if hasattr(connection, "close_pool"):
            connection.close_pool()
