"""A relay between clients and the processes of a service, as a load balancer; it can be cut."""

import asyncio
from typing import Any

from tests.serving import free_port


class Side(asyncio.Protocol):
    """One side of a connection: hands on to the other what comes."""

    def __init__(self, relay: "Relay", other: "Side | None" = None) -> None:
        self.relay, self.other = relay, other
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.relay.transports.add(transport)
        if self.other:
            self.other.other = self
        else:  # a client's
            transport.pause_reading()
            self.relay.start(self)

    def data_received(self, data: bytes) -> None:
        if self.other:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.relay.transports.discard(self.transport)
        if self.other:
            self.other.transport.close()


class Relay:
    """Takes clients to each process in turn, and past one that is down."""

    def __init__(self, ports: list[int]) -> None:
        self.ports, self.port = ports, free_port()
        self.transports: set[Any] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.server: asyncio.Server | None = None

    async def open(self) -> None:
        """Let clients through."""
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Side(self), "127.0.0.1", self.port)

    def cut(self) -> None:
        """End all connections, with what is under way in them, and refuse others."""
        if self.server:
            self.server.close()
        for transport in list(self.transports):
            transport.abort()

    def start(self, client: Side) -> None:
        """Connect a client in a task."""
        task = asyncio.get_running_loop().create_task(self._connect(client))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _connect(self, client: Side) -> None:
        for _ in self.ports:
            self.ports.append(port := self.ports.pop(0))
            try:
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: Side(self, client), "127.0.0.1", port)
            except OSError:
                continue
            if client.transport.is_closing() and client.other:
                client.other.transport.close()
            client.transport.resume_reading()
            return
        client.transport.close()
