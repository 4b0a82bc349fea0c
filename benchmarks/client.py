"""A load of WebSocket clients in one process; frames are written by hand, to leave it head-room.

    python client.py HOST PORT messages|connections CLIENTS SECONDS [PATH [COOKIE]]

Prints as JSON what was `done`: messages answered, with one outstanding for each client, or
connections opened, pinged and closed; of their times in ms the median, `p50`, and `p99`; and the
share of the time in which this process was `busy`, whose rest is its head-room.
"""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="  # RFC 6455, section 1.3, only asks that it be 16 bytes
PING = b"\x81\x84\0\0\0\0ping"  # masked with zeros
PONG = b"\x81\x05pong!"
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


class Client(asyncio.Protocol):
    """One connection: opened, then pinged once or until the deadline, then closed."""

    def __init__(self, handshake: bytes, deadline: float, stay: bool, times: list[float]) -> None:
        self.handshake, self.deadline, self.stay = handshake, deadline, stay
        self.times = times  # seconds that each answer took
        self.began = time.perf_counter()
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
            if self.stay:
                self.began = time.perf_counter()
            self.transport.write(PING)
        if self.received == PONG:
            self.received = b""
            now = time.perf_counter()
            self.times.append(now - self.began)
            self.began = now
            self.transport.write(PING if self.stay and now < self.deadline else CLOSE)
        elif self.received.startswith(b"\x88"):
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set_result(None)


async def client(
    host: str, port: int, handshake: bytes, deadline: float, stay: bool
) -> list[float]:
    """Keep one connection, or open one after the other; return the times of the answers."""
    times: list[float] = []
    while time.perf_counter() < deadline:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Client(handshake, deadline, stay, times), host, port
        )
        await connection.ended
    return times


async def main(
    host: str,
    port: str,
    what: str,
    clients: str,
    seconds: str,
    path: str = "/ws/",
    cookie: str = "",
) -> None:
    """Run the clients and print what came of it."""
    handshake = (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n"
        "Upgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
        + (f"Cookie: {cookie}\r\n\r\n" if cookie else "\r\n")
    ).encode()
    began, worked = time.perf_counter(), time.process_time()
    every = [
        client(host, int(port), handshake, began + float(seconds), what == "messages")
        for _ in range(int(clients))
    ]
    times = [time for of_one in await asyncio.gather(*every) for time in of_one]
    busy = (time.process_time() - worked) / (time.perf_counter() - began)
    cuts = statistics.quantiles(times, n=100)
    p50, p99 = cuts[49] * 1000, cuts[98] * 1000
    print(json.dumps({"done": len(times), "p50": p50, "p99": p99, "busy": busy}))


if __name__ == "__main__":
    try:
        from uvloop import run  # type: ignore[import-not-found]
    except ImportError:
        from asyncio import run
    run(main(*sys.argv[1:]))
