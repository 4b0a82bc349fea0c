"""One database connection for all threads of a test.

A test's transaction, which rolls its rows back, belongs to one connection, and Django gives each
thread a connection of its own. Handshakes run in other threads, and so does `await` on the ORM
under pytest-asyncio: without this they would not see the rows, and theirs would stay.
"""

from types import SimpleNamespace
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections

handler: Any = connections
own = handler._connections  # a namespace that each thread has for itself
borrowers = 0


def share_connections() -> None:
    """Give every thread this thread's connections, until as many `unshare_connections` calls."""
    global borrowers
    borrowers += 1
    if borrowers == 1:
        shared = {connection.alias: connection for connection in connections.all()}
        for connection in shared.values():
            connection.inc_thread_sharing()
        handler._connections = SimpleNamespace(**shared)
        request_started.disconnect(close_old_connections)  # they are the test's, not the request's
        request_finished.disconnect(close_old_connections)


def unshare_connections() -> None:
    """Give each thread its own connections again."""
    global borrowers
    borrowers -= 1
    if borrowers == 0:
        for connection in connections.all():
            connection.dec_thread_sharing()
        handler._connections = own
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)
