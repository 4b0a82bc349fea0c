"""A load of WebSocket clients in one process; frames are written by hand, to leave it head-room.

    python client.py HOST PORT messages|connections CLIENTS SECONDS

Prints what was done: messages answered, with one outstanding for each client, or connections
opened, pinged and closed.
"""

import asyncio
import sys
import time
from typing import Any

KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="  # RFC 6455, section 1.3, only asks that it be 16 bytes
PING = b"\x81\x84\0\0\0\0ping"  # masked with zeros
PONG = b"\x81\x05pong!"
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


class Client(asyncio.Protocol):
    """One connection: opened, then pinged once or until the deadline, then closed."""

    def __init__(self, handshake: bytes, deadline: float, stay: bool) -> None:
        self.handshake, self.deadline, self.stay = handshake, deadline, stay
        self.answered = 0
        self.open = False
        self.received = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.handshake)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.open:
            if b"\r\n\r\n" not in self.received:
                return
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            assert b" 101 " in head, head
            self.open = True
            self.transport.write(PING)
        if self.received == PONG:
            self.received = b""
            self.answered += 1
            again = self.stay and time.perf_counter() < self.deadline
            self.transport.write(PING if again else CLOSE)
        elif self.received.startswith(b"\x88"):
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set_result(None)


async def client(host: str, port: int, deadline: float, stay: bool) -> int:
    """Keep one connection, or open one after the other; return the number of answers."""
    handshake = (
        f"GET /ws/ HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    answered = 0
    while time.perf_counter() < deadline:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Client(handshake, deadline, stay), host, port
        )
        await connection.ended
        answered += connection.answered
    return answered


async def main(host: str, port: str, what: str, clients: str, seconds: str) -> None:
    """Run the clients and print the sum of their answers."""
    deadline = time.perf_counter() + float(seconds)
    all_clients = [
        client(host, int(port), deadline, what == "messages") for _ in range(int(clients))
    ]
    print(sum(await asyncio.gather(*all_clients)))


if __name__ == "__main__":
    try:
        from uvloop import run  # type: ignore[import-not-found]
    except ImportError:
        from asyncio import run
    run(main(*sys.argv[1:]))
