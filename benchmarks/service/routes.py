"""What runs in the rendered service for measurements."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from asgiref.sync import sync_to_async
from config.urls import urlpatterns as service
from config.websocket import ping_pong
from django.contrib.auth.decorators import login_required
from django.urls import path
from realtime.broadcast import publish, subscribe
from realtime.database import database_thread
from realtime.handshake import websocket

from benchmarks.peers.common import MESSAGE, wait

members: list[Any] = []


@websocket
async def member(request: Any, receive: Any, send: Any) -> None:
    """Be sent to, in one way or the other."""
    await receive()
    async with subscribe("fanout", send):
        members.append(send)
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            pass
        members.remove(send)


@websocket
async def control(request: Any, receive: Any, send: Any) -> None:
    """Send so many messages to all members: "plain 10" or "published 10"."""
    await receive()
    await send({"type": "websocket.accept"})
    while "text" in (event := await receive()):
        way, number = event["text"].split()
        for _ in range(int(number)):
            if way == "plain":
                for send_to in members:
                    await send_to({"type": "websocket.send", "text": MESSAGE})
                await asyncio.sleep(0)  # each message goes out by itself
            else:
                await publish("fanout", MESSAGE)


@websocket
async def many(request: Any, receive: Any, send: Any) -> None:
    """Be in so many channels, then publish so often, to each in turn: "100", "10000"."""
    await receive()
    await send({"type": "websocket.accept"})
    number = int((await receive())["text"])
    async with AsyncExitStack() as stack:
        for place in range(number):
            await stack.enter_async_context(subscribe(f"many.{place}", send))
        await send({"type": "websocket.send", "text": "joined"})
        while "text" in (event := await receive()):
            for place in range(int(event["text"])):
                await publish(f"many.{place % number}", MESSAGE)


@websocket
async def query(request: Any, receive: Any, send: Any) -> None:
    """Answer "ping" after a query of 20 ms."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        async with database_thread():
            await sync_to_async(wait)()
        await send({"type": "websocket.send", "text": "pong!"})


urlpatterns = [
    *service,
    path("private/", login_required(ping_pong)),
    path("member/", member),
    path("control/", control),
    path("channels/", many),
    path("query/", query),
]
