"""daphne: how `manage.py runserver` starts it, and what ASGI leaves open."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any

from autobahn.exception import Disconnected
from autobahn.websocket.protocol import PreparedMessage, WebSocketServerProtocol
from daphne.access import AccessLogGenerator  # type: ignore[import-untyped]
from django.conf import settings
from twisted.internet.defer import Deferred

from realtime.types import Event, Message, Receive, Send, Step, message, size
from realtime.wrappers import behind

PIECE, TURN = 128, 0.002  # bytes, and seconds, that are read at once: Twisted's 64 KiB of the
# shortest messages take a second
FLOOD = 8 << 10  # bytes at once, after a close
FRAGMENTS = 1024  # of a message, that are kept apart
UNREAD, EVENT = 1 << 20, 256  # bytes that wait for `receive`, after which no more is read; and of
# a message, however short
access = logging.getLogger("daphne.access")


def write_entry(log: Any, host: str, request: str, status: Any = "-", **more: Any) -> None:
    """Write an entry of the access log where all else is written, and not to standard output."""
    access.info('%s "%s" %s', host, request, status)


AccessLogGenerator.write_entry = write_entry


def serve(application: Any, host: str, port: int) -> None:
    """Serve until the process ends."""
    from daphne import endpoints, server  # type: ignore[import-untyped]  # takes the reactor

    where = endpoints.build_endpoint_description_strings(host=host, port=port)
    log = AccessLogGenerator(sys.stderr)
    times = {"websocket_timeout": -1, "websocket_handshake_timeout": 15}  # as the command has them
    server.Server(application, where, signal_handlers=False, action_logger=log, **times).run()


def protocol(send: Send) -> Any:
    """autobahn's protocol of the connection; None in a test."""
    return next((one for one in behind(send) if isinstance(one, WebSocketServerProtocol)), None)


def writer(protocol: Any, send: Send) -> Callable[[Event], bool] | None:
    """What writes a message at once if there is room; None where a middleware is in between."""
    if not protocol or getattr(send, "args", ())[:1] != (protocol,):
        return None

    def write(event: Any) -> bool:
        free: bool = protocol.state == protocol.STATE_OPEN and protocol.gate.writable.is_set()
        if free:
            if "frame" not in event:  # for all clients
                event["frame"] = prepared(message(event))
            protocol.sendPreparedMessage(event["frame"])
        return free

    return write


def prepared(said: Message) -> PreparedMessage:
    """A message in its frame, the same for all clients."""
    payload = said.encode() if isinstance(said, str) else said
    return PreparedMessage(payload, payload is said, applyMask=False, doNotCompress=True)


def adopt(protocol: Any, send: Send) -> Send:
    """The `send` for a connection: one that waits for a client which reads slowly.

    daphne's own does not; nor does it stop to read from a client that the loop does not listen to.
    """
    if not protocol:
        return send
    protocol.maxMessagePayloadSize = protocol.maxFramePayloadSize = settings.MAX_MESSAGE_SIZE
    protocol.failByDrop = False  # but with a close, of 1009 for a longer message
    gate = protocol.gate = Gate(protocol)
    protocol.transport.unregisterProducer()
    protocol.transport.registerProducer(gate, True)
    protocol.is_closed.addBoth(lambda _: gate.resumeProducing())  # not each end stops a producer

    async def send_or_raise(event: Event) -> None:
        if protocol.state in {protocol.STATE_CLOSING, protocol.STATE_CLOSED}:  # daphne is silent
            raise Disconnected("the client has left")
        protocol.maxMessagePayloadSize = 0  # which would be a limit of what is sent, too
        try:
            await send(event)  # without giving way
            if event["type"] == "websocket.send" and not size(event):  # daphne sends no empty one
                protocol.sendMessage(b"", isBinary=event.get("text") is None)
        finally:
            protocol.maxMessagePayloadSize = settings.MAX_MESSAGE_SIZE
        await gate.writable.wait()

    return send_or_raise


def on_shutdown(protocol: Any, drain: Step, shut_down: Step) -> None:
    """Run the second before Twisted's reactor stops; the first before it hears of SIGTERM."""
    if not protocol:
        return  # a test
    reactor: Any = import_module("twisted.internet.reactor")
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(shut_down()))
    )
    loop, stop = asyncio.get_running_loop(), reactor.sigTerm
    if signal.getsignal(signal.SIGTERM) == stop:

        async def drain_and_stop(number: int) -> None:
            await drain()
            stop(number)

        def begin(number: int, frame: FrameType | None) -> None:
            asyncio.run_coroutine_threadsafe(drain_and_stop(number), loop)

        signal.signal(signal.SIGTERM, begin)


async def close(send: Send, protocol: Any, code: int, reason: str) -> None:
    """Send a close; past daphne, which has no reasons and takes 1000 and 3000 to 4999 only."""
    if protocol and protocol.state == protocol.STATE_OPEN:
        protocol.closeHandshakeTimeout = 0  # which would be a second
        drop = protocol.dropConnection  # aborts, and WebKit would forget the code
        protocol.dropConnection = lambda abort=False: drop(abort and not protocol.wasClean)
        protocol.sendCloseFrame(code=code, reasonUtf8=reason.encode())
        # Until the client has answered: a reactor that stops sends no more.
        await protocol.is_closed.asFuture(asyncio.get_running_loop())
    else:
        await send({"type": "websocket.close", "code": code, "reason": reason})


def drop(protocol: Any) -> None:
    """Drop the TCP connection, and what is still to be sent."""
    if protocol:
        protocol.dropConnection(abort=True)


class Gate:
    """Lets in what a client sends, a little at a time, while there is room for it and for pongs.

    A producer, in Twisted's words: it is told to pause while the transport's buffer is full.
    """

    def __init__(self, protocol: Any) -> None:
        self.protocol, self.loop = protocol, asyncio.get_running_loop()
        self.writable = asyncio.Event()
        self.writable.set()
        queue = protocol.application_queue
        self.unparsed, self.unread = bytearray(), EVENT * queue.qsize()
        self.paused = self.flooded = False
        self.parse, self.lose = protocol.dataReceived, protocol.connectionLost
        self.reason: Any = None  # of a loss, once all is read
        self._put, self._get = queue._put, queue._get  # which asyncio.Queue has for subclasses
        queue._put, queue._get = self.put, self.get
        protocol.dataReceived, protocol.connectionLost = self.received, self.lost
        self.keep, protocol.onMessageFrame = protocol.onMessageFrame, self.keep_joined

    def put(self, event: Event) -> None:
        self._put(event)
        self.unread += size(event) + EVENT

    def get(self) -> Event:
        event: Event = self._get()
        self.unread -= size(event) + EVENT
        self.pace()
        return event

    def received(self, data: bytes) -> None:
        self.unparsed += data
        if len(self.unparsed) == len(data):  # else it is being read already
            self.read_on()

    def read_on(self) -> None:
        """Read what has come, for a turn at a time."""
        now = time.perf_counter()
        length, until = PIECE, now + TURN
        if self.protocol.state == self.protocol.STATE_CLOSING and len(self.unparsed) >= FLOOD:
            self.flooded = True
            self.unparsed.clear()
        while self.unparsed and now < until:
            begin, piece = now, bytes(self.unparsed[:length])
            del self.unparsed[:length]
            self.parse(piece)
            now = time.perf_counter()
            length = 2 * length if now - begin < TURN / 4 else PIECE  # of a long message, or short
            if not self.writable.is_set():
                break
        if self.unparsed and self.writable.is_set():  # else `resumeProducing` goes on
            self.loop.call_soon(self.read_on)
        elif self.reason:
            reason, self.reason = self.reason, None
            self.lose(reason)
        self.pace()

    def pace(self) -> None:
        """Let more come in, or not."""
        full = self.unread > UNREAD or not self.writable.is_set()
        waits = full or self.flooded or bool(self.unparsed)
        if waits != self.paused:
            self.paused, transport = waits, self.protocol.transport
            transport.pauseProducing() if waits else transport.resumeProducing()

    def keep_joined(self, frame: list[bytes]) -> None:
        if len(parts := self.protocol.message_data) > FRAGMENTS:  # each of which may be empty
            parts[:] = [b"".join(parts)]
        self.keep(frame)

    def lost(self, reason: Any) -> None:
        self.reason = reason
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self.writable.clear()

    def resumeProducing(self) -> None:
        self.writable.set()
        self.read_on()

    stopProducing = resumeProducing


def is_gone(error: BaseException, protocol: Any) -> bool:
    """Whether `send` raised this, and nothing else, because the client has left."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_gone(one, protocol) for one in error.exceptions)
    return isinstance(error, Disconnected)


def is_lost(protocol: Any) -> bool:
    """Whether the client has left without a word of the server's; daphne tells of each."""
    return False


async def has_left(protocol: Any, receive: Receive) -> bool:
    """Whether a close would go out to a client that has left; daphne sends none."""
    return False
