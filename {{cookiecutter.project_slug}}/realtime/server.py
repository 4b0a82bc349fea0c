"""uvicorn: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Literal

import uvicorn
from asgiref.typing import ASGIApplication
from django.conf import settings
from uvicorn.protocols.utils import ClientDisconnected

from realtime.types import Event, Message, Receive, Send, Step, message
from realtime.wrappers import behind

# The longest header line of a handshake, in bytes. It is read when websockets is imported.
os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", str(64 << 10))
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN

COMPRESSION = {"memLevel": 5}
# Each message by itself, with no context takeover (RFC 7692, section 7.1.1): a connection holds no
# window of 2 ** 12 bytes then, and a message is compressed once for all.
DEFLATE = ServerPerMessageDeflateFactory(True, True, 12, 12, COMPRESSION)
PIECE, TURN = 1 << 10, 0.001  # bytes, and seconds, that are read at once: uvloop's 256 KiB may be
# 40,000 messages, which take half a second
FLOOD = 32 << 10  # bytes at once, after a close
FRAGMENTS = 1024  # of a message, that are kept apart
# uvicorn takes a denial response for a missing answer, and logs an error after each; and one with a
# traceback for each text of a client that is not UTF-8, which it closes with 1007.
NO_ERRORS = ("ASGI callable returned without completing handshake", "Invalid UTF-8 sequence")
logging.getLogger("uvicorn.error").addFilter(
    lambda record: not str(record.msg).startswith(NO_ERRORS)
)


class Room(asyncio.Event):
    """Set while there is room to send: `send` waits for it.

    It gives way where the client has left. What is sent then fills no buffer, so that a loop which
    only sends would never wait, and uvicorn would never hear of it.
    """

    transport: asyncio.BaseTransport

    async def wait(self) -> Literal[True]:
        if self.transport.is_closing():
            await asyncio.sleep(0)
        return await super().wait()


class Protocol(WebSocketsSansIOProtocol):
    """Has the settings' limit and compression. Answers a handshake that it cannot take, as one
    with too long a Cookie: with 431. Lets other clients have their turn while one sends thousands
    of messages. Reads nothing from one that takes no pongs, or floods it after the close.
    """

    transport: Any

    def __init__(self, config: uvicorn.Config, *args: Any, **kwargs: Any) -> None:
        config.ws_max_size = settings.MAX_MESSAGE_SIZE
        config.ws_per_message_deflate = False
        super().__init__(config, *args, **kwargs)
        self.unread = bytearray()
        self.lose: Callable[[], None] | None = None  # the connection, once all is read
        self.conn.logger = logging.getLogger("websockets.server")  # see config/logging.json
        self.conn.available_extensions = [DEFLATE] if settings.PERMESSAGE_DEFLATE else []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.writable = Room()
        self.writable.transport = transport
        self.writable.set()
        super().connection_made(transport)

    def start_keepalive(self) -> None:
        """Called after the accept: the headers of the handshake are no longer needed."""
        for kept in (self.request, self.response):
            kept.headers.clear()
        super().start_keepalive()

    def write(self, event: Any) -> bool:
        """Write a message at once; False if not. The event keeps the frame, for all clients."""
        free = self.writable.is_set() and not self.transport.is_closing()
        if free := free and self.conn.state is OPEN:
            extensions: Any = self.conn.extensions
            bits = extensions[0].local_max_window_bits if extensions else 0
            frames = event.setdefault("frames", {})
            if bits not in frames:
                frames[bits] = frame(message(event), bits)
            self.transport.write(frames[bits])
        return free

    def data_received(self, data: bytes) -> None:
        if self.unread or len(data) > PIECE:
            self.unread += data
            if len(self.unread) == len(data):  # else it is being read already
                self.read_on()
        else:
            self.read(data)
            if not self.writable.is_set():
                self.pace()

    def read_on(self) -> None:
        """Read what has come, for a turn at a time, as long as there is room for the pongs."""
        now = time.perf_counter()
        length, until = PIECE, now + TURN
        if flooded := self.close_sent and len(self.unread) >= FLOOD:
            self.unread.clear()
        while self.unread and now < until:
            begin, piece = now, bytes(self.unread[:length])
            del self.unread[:length]
            self.read(piece)
            now = time.perf_counter()
            length = 2 * length if now - begin < TURN / 4 else PIECE  # of a long message, or short
            if not self.writable.is_set():
                break
        if self.unread and self.writable.is_set():  # else `resume_writing` goes on
            self.loop.call_soon(self.read_on)
        elif self.lose:
            lose, self.lose = self.lose, None
            lose()
        self.pace(flooded)

    def pace(self, flooded: bool = False) -> None:
        """Let more come in, or not: while there is something to read, or no room to send."""
        asked = self.close_sent or self.queue.empty()
        waits = flooded or bool(self.unread) or not (asked and self.writable.is_set())
        if waits != self.read_paused and not self.transport.is_closing():
            self.read_paused = waits
            self.transport.pause_reading() if waits else self.transport.resume_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Read on first; `send` raises from now on."""
        self.disconnected = True
        self.writable.set()
        self.lose = partial(super().connection_lost, exc)
        self.read_on()

    async def receive(self) -> Any:
        event = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.pace()
        return event

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) > FRAGMENTS:  # of a message, in which each may be empty
            self.frames = [b"".join(self.frames)]
        super().handle_cont(event)

    def read(self, data: bytes) -> None:
        """Read it at once, and answer all its pings with one write."""
        super().data_received(data)
        if (answers := self.conn.data_to_send()) and not self.transport.is_closing():
            self.transport.write(b"".join(answers))
        if self.conn.handshake_exc and not self.handshake_initiated:
            self.transport.close()

    def handle_ping(self) -> None:
        """Leave it to `read`: a write for each would take longer than all else."""


def frame(said: Message, bits: int) -> bytes:
    """A message as a frame (RFC 6455, section 5.2), compressed with such a window if not 0."""
    if isinstance(said, str):
        whole = Frame(Opcode.TEXT, said.encode())
    else:
        whole = Frame(Opcode.BINARY, said)
    deflate = [PerMessageDeflate(True, True, bits, bits, COMPRESSION)] if bits else []
    return whole.serialize(mask=False, extensions=deflate)


def serve(application: ASGIApplication, host: str, port: int) -> None:
    """Serve until the process ends; the service fails to start if its lifespan does."""
    config = uvicorn.Config(application, host, port, lifespan="on", log_config=None, ws=Protocol)
    uvicorn.Server(config).run()


def protocol(send: Send) -> Any:
    """uvicorn's object for the connection; None in a test."""
    return next((one for one in behind(send) if isinstance(one, WebSocketsSansIOProtocol)), None)


def writer(protocol: Any, send: Send) -> Callable[[Event], bool] | None:
    """What writes a message at once if there is room; None where a middleware is in between."""
    own = isinstance(protocol, Protocol) and getattr(send, "__self__", None) is protocol
    return protocol.write if own else None


def adopt(protocol: Any, send: Send) -> Send:
    """The `send` for a connection: one that waits for a client which reads slowly."""
    return send


def on_shutdown(protocol: Any, drain: Step, shut_down: Step) -> None:
    """Run them on SIGTERM, the first before uvicorn stops, and the second on SIGINT too.

    uvicorn closes its clients, but waits for one that does not read.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        stop = signal.getsignal(number)
        if isinstance(getattr(stop, "__self__", None), uvicorn.Server):

            async def close_and_stop(number: int, stop: Any = stop) -> None:
                if number == signal.SIGTERM:
                    await drain()
                stop(number, None)
                await shut_down()

            def begin(number: int, frame: FrameType | None, run: Any = close_and_stop) -> None:
                asyncio.run_coroutine_threadsafe(run(number), loop)

            signal.signal(number, begin)


async def close(send: Send, protocol: Any, code: int, reason: str) -> None:
    """Send a close."""
    await send({"type": "websocket.close", "code": code, "reason": reason})


def drop(protocol: Any) -> None:
    """Drop the TCP connection, and what is still to be sent."""
    if protocol:
        protocol.transport.abort()


def is_gone(error: BaseException, protocol: Any) -> bool:
    """Whether `send` raised this, and nothing else, because the client has left or is at fault."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_gone(one, protocol) for one in error.exceptions)
    ended = bool(protocol) and "after sending 'websocket.close'" in str(error)  # by uvicorn itself
    return isinstance(error, ClientDisconnected) or (ended and protocol.close_sent)


def is_lost(protocol: Any) -> bool:
    """Whether the client has left without a word of the server's; uvicorn tells of each."""
    return False


async def has_left(protocol: Any, receive: Receive) -> bool:
    """Whether a close would go out to a client that has left; uvicorn sends none."""
    return False
