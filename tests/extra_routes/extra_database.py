"""Routes that lose their connection to PostgreSQL."""

import os
import socket
from contextlib import nullcontext

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import Error, connection, transaction
from django.urls import path
from realtime.database import database_thread
from realtime.handshake import WebSocketResponse, websocket


def lose():
    """Cut the connection beneath Django, as PostgreSQL does when it stops."""
    connection.ensure_connection()
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as cut:
        cut.shutdown(socket.SHUT_RDWR)


def by_query():
    """Ask."""
    return Group.objects.exists()


def by_transaction():
    """Ask in a transaction, in a savepoint."""
    with transaction.atomic(), transaction.atomic():
        return Group.objects.exists()


def by_fetch():
    """Ask for rows that come when they are fetched."""
    with connection.chunked_cursor() as cursor:
        cursor.execute("SELECT generate_series(1, 2)")
        if lost:
            lost.pop()
            lose()
        return cursor.fetchmany(2) == []


lost = []  # something, if the next fetch loses its connection
WAYS = {"query": by_query, "transaction": by_transaction, "fetch": by_fetch, "cursor": by_query}


def ask(way, message):
    """Ask in this way, after the connection is lost in it if that is the message."""
    if message == "lose" and way == "fetch":
        lost.append(True)
    elif message == "lose" and way == "cursor":
        connection.connection.close()  # no cursor can be made
    elif message == "lose":
        lose()
    try:
        return str(WAYS[way]())
    except Error as error:
        return type(error).__name__


@websocket
async def survive(request, receive, send, way, where):
    """Answer each message with what the database said, whatever happens."""
    await receive()
    await send({"type": "websocket.accept"})
    async with database_thread() if where == "block" else nullcontext():
        while (event := await receive())["type"] == "websocket.receive":
            text = await sync_to_async(ask)(way, event["text"])
            await send({"type": "websocket.send", "text": text})


def handshake(request, way):
    """Accept if the database answers after the connection was lost."""

    async def application(receive, send):
        await receive()
        await send({"type": "websocket.accept"})

    answers = [ask(way, message) for message in ("ask", "lose", "ask")]
    assert answers == ["False", "OperationalError", "False"], answers
    return WebSocketResponse(application)


urlpatterns = [
    path("survive/<slug:way>/<slug:where>/", survive),
    path("lose/<slug:way>/", handshake),
]
