"""hypercorn: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from django.conf import settings
from hypercorn.asyncio import serve as hypercorn
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from hypercorn.protocol.events import Body, Data
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WebsocketBuffer, WSStream
from hypercorn.typing import ASGIFramework
from wsproto.connection import ConnectionState
from wsproto.events import Message as Part
from wsproto.frame_protocol import FrameProtocol

from realtime.types import Event, Message, Receive, Send, Step, message
from realtime.wrappers import behind

ANSWER = 1.0  # seconds for the client to answer a close
PIECE, TURN = 256, 0.002  # bytes, and seconds, that are read at once: hypercorn's 64 KiB may be
# 10,000 frames, which take a second
tasks: set[asyncio.Task[None]] = set()


def serve(application: ASGIFramework, host: str, port: int) -> None:
    """Serve until the process ends."""
    config = Config()
    config.bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    config.accesslog = logging.getLogger("hypercorn.access")
    config.errorlog = logging.getLogger("hypercorn.error")
    asyncio.run(hypercorn(application, config, shutdown_trigger=asyncio.Event().wait))


def protocol(send: Send) -> Any:
    """hypercorn's object for the connection; None in a test."""
    return next((one for one in behind(send) if isinstance(one, WSStream)), None)


class ClientLeft(OSError):
    """`send` was called after the client had left, which hypercorn itself does not tell."""


class Buffer(WebsocketBuffer):
    """What has come of a message. Once one was too long nothing is kept, up to the client's close:
    hypercorn itself would keep all, and not come to that close.
    """

    def extend(self, event: "Part[Any]") -> None:
        if self.length > self.max_length:
            object.__setattr__(event, "message_finished", False)  # so that nobody gets it
        else:
            super().extend(event)


def writer(protocol: Any, send: Send) -> Callable[[Event], bool] | None:
    """What writes a message at once if there is room; None where a middleware is in between,
    with compression, and in HTTP/2, whose frames are not the connection's only ones.
    """
    own = protocol and getattr(send, "__self__", None) is protocol
    inner = getattr(protocol.send, "__self__", None) if own else None
    if settings.PERMESSAGE_DEFLATE or not isinstance(inner, H11Protocol):
        return None
    tcp: Any = getattr(inner.send, "__self__", None)

    def write(event: Any) -> bool:
        transport = tcp.writer.transport
        free = protocol.state is ASGIWebsocketState.CONNECTED and not protocol.closed
        free = free and protocol.connection.state is ConnectionState.OPEN  # no close is sent
        free = free and not (tcp.send_lock.locked() or transport.is_closing())
        if free := free and not transport.get_write_buffer_size():
            if "frame" not in event:  # for all clients
                event["frame"] = frame(message(event))
            transport.write(event["frame"])
        return free

    return write if isinstance(tcp, TCPServer) else None


def frame(said: Message) -> bytes:
    """A message as a frame (RFC 6455, section 5.2), the same for all clients."""
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(said))


def adopt(protocol: Any, send: Send) -> Send:
    """The `send` for a connection: one that waits for a client which reads slowly.

    It raises where the client has left: hypercorn's own does nothing, and gives way to nobody.
    """
    if not protocol:
        return send
    protocol.buffer = Buffer(settings.MAX_MESSAGE_SIZE)
    handle = protocol.handle

    async def handle_in_turns(event: "Body | Data") -> None:
        """Let others have their turn while a client sends thousands of frames."""
        at, length = 0, PIECE
        if not isinstance(event, (Body, Data)) or len(event.data) <= length:
            await handle(event)
            return
        while at < len(event.data):
            begin, piece = time.perf_counter(), event.data[at : at + length]
            await handle(replace(event, data=piece))
            at += length
            length = 2 * length if time.perf_counter() - begin < TURN / 4 else PIECE
            await asyncio.sleep(0)

    protocol.handle = handle_in_turns
    if not settings.PERMESSAGE_DEFLATE:
        protocol.handshake.extensions = None  # that the client has asked for

    async def send_or_raise(event: Event) -> None:
        if protocol.closed:
            raise ClientLeft
        await send(event)

    return send_or_raise


def on_shutdown(protocol: Any, drain: Step, shut_down: Step) -> None:
    """Run the first before hypercorn stops, the second then: it would wait until its clients leave.

    Of several workers, the first to end makes hypercorn send SIGTERM to the others.
    """
    if not protocol:
        return  # a test
    loop, context = asyncio.get_running_loop(), protocol.context
    stop = context.terminated.set

    async def drain_and_stop() -> None:
        await drain()
        await stop()
        run(shut_down)

    def run(*steps: Step) -> None:
        tasks.update(loop.create_task(step()) for step in steps)

    context.terminated.set = drain_and_stop  # it is awaited before the listening sockets are closed
    if threading.current_thread() is threading.main_thread():
        with suppress(NotImplementedError):  # Windows, where no process gets a SIGTERM
            loop.add_signal_handler(signal.SIGTERM, run, context.terminate.set)
            loop.add_signal_handler(signal.SIGINT, run, shut_down, context.terminate.set)


async def close(send: Send, protocol: Any, code: int, reason: str) -> None:
    """Send a close, and wait a second for the client's: an end before it resets TCP.

    What it had said before is forgotten. In hypercorn's queue of ten, which nobody reads any more,
    it would keep out the answer and the end of the connection.
    """
    await send({"type": "websocket.close", "code": code, "reason": reason})
    if protocol and not protocol.closed:
        answered = asyncio.Event()

        async def forget(event: Event) -> None:
            if event["type"] == "websocket.disconnect":
                answered.set()
            await asyncio.sleep(0)  # of a flood of messages others have their turn in between

        queue, protocol.app_put = protocol.app_put.__self__, forget
        while not queue.empty():
            queue.get_nowait()
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER):
                await answered.wait()


def drop(protocol: Any) -> None:
    """Drop the TCP connection, and what is still to be sent; HTTP/2 shares it with others."""
    link = vars(protocol)["send"].__self__ if protocol else None
    if isinstance(link, H11Protocol):
        vars(link)["send"].__self__.writer.transport.abort()


def is_gone(error: BaseException, protocol: Any) -> bool:
    """Whether `send` raised this, and nothing else, because the client has left."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_gone(one, protocol) for one in error.exceptions)
    return isinstance(error, ClientLeft)


def is_lost(protocol: Any) -> bool:
    """Whether the client has left without a word: as after a frame right behind the handshake."""
    return bool(protocol) and protocol.closed and not protocol.handshake.accepted


async def has_left(protocol: Any, receive: Receive) -> bool:
    """Whether a close would go out to a client that has left; hypercorn sends none."""
    return False
