"""Clients that a measurement steers one by one; frames are written by hand (RFC 6455)."""

import asyncio
from typing import Any, Self

from benchmarks.client import KEY, PING, PONG


class Client(asyncio.Protocol):
    """One connection, which is open once `ready` is done."""

    transport: Any

    def __init__(self, handshake: bytes) -> None:
        self.handshake = handshake
        self.received = b""
        self.open = False
        self.ready = asyncio.get_running_loop().create_future()

    @classmethod
    async def connect(cls, host: str, port: int, path: str) -> Self:
        """Open a connection."""
        handshake = (
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: cls(handshake), host, port)
        await client.ready
        return client

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.handshake)

    def data_received(self, data: bytes) -> None:
        if self.open:
            self.message_received(data)
            return
        self.received += data
        if b"\r\n\r\n" in self.received:
            head, rest = self.received.split(b"\r\n\r\n", 1)
            assert b" 101 " in head, head
            self.open, self.received = True, b""
            self.ready.set_result(None)
            if rest:
                self.message_received(rest)

    def message_received(self, data: bytes) -> None:
        """Wait for the one message that is expected."""
        self.received += data
        if self.received == PONG:
            self.received = b""
            self.answer.set_result(None)
        elif self.received[:1] == b"\x88":
            self.transport.close()

    async def ask(self) -> None:
        """Send "ping" and wait for "pong!"."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(PING)
        await self.answer

    def send(self, text: str) -> None:
        """Send a short text."""
        self.transport.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())


class Counter(Client):
    """Clients that count together the bytes which they receive."""

    received_together = 0
    expected = 0
    all_there: "asyncio.Future[None]"

    @classmethod
    def expect(cls, number: int) -> "asyncio.Future[None]":
        """Return a future that is done when so many bytes have come."""
        cls.received_together, cls.expected = 0, number
        cls.all_there = asyncio.get_running_loop().create_future()
        return cls.all_there

    def message_received(self, data: bytes) -> None:
        Counter.received_together += len(data)
        if Counter.received_together == Counter.expected:
            Counter.all_there.set_result(None)
