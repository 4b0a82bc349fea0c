"""One database connection, and one thread for it, throughout a test.

A test's transaction, which rolls its rows back, belongs to one connection, and Django gives each
thread a connection of its own. Handshakes run in other threads, and so does `await` on the ORM
under pytest-asyncio: without this they would not see the rows, and theirs would stay.
"""

from types import SimpleNamespace
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from realtime import database
from realtime.answer import Answering
from realtime.handler import WebSocketHandler

databases: Any = connections
per_thread = databases._connections
in_threads = vars(WebSocketHandler)["in_thread"]
CLOSING = ("close", "close_if_unusable_or_obsolete")
borrowers = 0


def share_connections() -> None:
    """Give every thread this thread's connections, until as many `unshare_connections` calls."""
    global borrowers
    borrowers += 1
    if borrowers == 1:
        shared = {connection.alias: connection for connection in connections.all()}
        for connection in shared.values():
            connection.inc_thread_sharing()
            # They are the test's: no request and no thread that ends may close them as its own.
            vars(connection).update(dict.fromkeys(CLOSING, lambda: None))
        databases._connections = SimpleNamespace(**shared)
        WebSocketHandler.in_thread = sync_to_async(Answering.answer)  # where the test's ORM runs
        database.shared = True


def unshare_connections() -> None:
    """Give each thread its own connections again."""
    global borrowers
    borrowers -= 1
    if borrowers == 0:
        for connection in connections.all():
            connection.dec_thread_sharing()
            for name in CLOSING:
                vars(connection).pop(name, None)
        databases._connections = per_thread
        WebSocketHandler.in_thread = in_threads
        database.shared = False
