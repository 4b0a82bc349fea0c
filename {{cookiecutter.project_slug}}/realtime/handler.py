"""The handler behind asgi.py: Django answers the handshake, then the loop has the connection."""

import asyncio
from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async

from realtime import connections
from realtime.answer import Answering
from realtime.connection import opened
from realtime.cookies import accept_with
from realtime.ending import close, failed, tidy
from realtime.obeying import identify
from realtime.refusal import events, refuse
from realtime.threads import Threads
from realtime.types import Receive, Scope, Send

threads: Any = Threads("handshake", size=32)  # asgiref asks for a ThreadPoolExecutor


class WebSocketHandler(Answering):
    """Holds each connection from its handshake to its end, in the task that the server made."""

    in_thread: Any = sync_to_async(Answering.answer, thread_sensitive=False, executor=threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if connections.full() or connections.stops():
            await refuse(events(scope, connections.too_many()), receive, send)
            return
        connection = connections.register(send)
        try:
            request, loop, headers, refusal = await self.in_thread(scope)
            if refusal:
                await refuse(refusal, receive, send)
                return
            identify(connection, request)
            try:
                await loop(receive, accept_with(headers, send))
            except Exception as error:
                await failed(connection, request, error)
            else:
                await close(connection, 1000)
        except asyncio.CancelledError:
            by_server = connection.code is None
            await close(connection, 1012)
            if by_server:
                raise
        finally:
            opened.remove(connection)
            if SyncToAsync.single_thread_executor._threads:  # in which loops await the ORM
                await sync_to_async(tidy)()
