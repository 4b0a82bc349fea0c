"""A service with a busy room, and what its clients see while something happens to it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.contenders import Contender
from benchmarks.outcomes import Outcome
from benchmarks.processes import Process
from benchmarks.publishing import Elsewhere, Member, Publisher
from benchmarks.relay import Relay
from benchmarks.returning import Returning, end, returning
from benchmarks.servers import command, variables
from tests.services import Redis, own_redis
from tests.serving import free_port

PATIENCE = 10.0  # seconds after the last message in which clients may still get what they miss


@dataclass(frozen=True)
class Scale:
    """How long, how many messages a second, with which clients; and how often it happens."""

    seconds: int = 30
    rate: int = 100
    clients: Returning = field(default_factory=Returning)
    times: int = 1

    @property
    def total(self) -> int:
        """The messages."""
        return self.seconds * self.rate


@dataclass(frozen=True)
class Room:
    """Where the clients are, of this service or of another, and the module that publishes there."""

    one: Contender
    path: str = "/ws/rooms/deploy/"
    module: str = "benchmarks.service.telling"
    resume: bool = True


@dataclass
class Stage:
    """What a fault can do something to."""

    scale: Scale
    processes: list[Process]
    relay: Relay
    publisher: Publisher
    redis: Redis | None

    async def reach(self, share: float) -> None:
        """Wait until so much of the time has passed, in messages."""
        await self.publisher.reach(int(share * self.scale.total))


@dataclass(frozen=True)
class Fault:
    """What happens to so many processes; and how many gaps each client is told each time."""

    title: str
    happen: Callable[[Stage], Awaitable[None]]
    processes: int = 2  # on a Redis; one has none
    gaps: int = 0
    variables: dict[str, str] = field(default_factory=dict)


async def undergo(
    fault: Fault, room: Room, project: Path, server: str, folder: Path, scale: Scale
) -> Outcome:
    """Let it happen to a new service; return what the clients have seen."""
    with ExitStack() as stack:
        redis = stack.enter_context(own_redis(folder)) if fault.processes > 1 else None
        more = fault.variables | ({"REDIS_URL": redis.url} if redis else {})
        options = project, folder, variables(project, room.one, **more)
        ports = [free_port() for _ in range(fault.processes)]
        processes = [Process(command(project, server, room.one, p), p, *options) for p in ports]
        for process in processes:
            stack.push(process.stack)
        await asyncio.gather(*(asyncio.to_thread(process.start) for process in processes))
        relay = Relay(ports)
        stack.callback(relay.cut)
        await relay.open()
        publisher: Publisher = Member(scale.rate, f"ws://127.0.0.1:{ports[0]}{room.path}")
        if redis:
            publisher = Elsewhere(scale.rate, room.module, *options)
        stage = Stage(scale, processes, relay, publisher, redis)
        return await seen(fault, room, stage, copied(project, folder))


def copied(project: Path, folder: Path) -> Path:
    """The project's socket.js, as a module for Node."""
    module = folder / "socket.mjs"
    module.write_bytes((project / "realtime/static/realtime/socket.js").read_bytes())
    return module


async def seen(fault: Fault, room: Room, stage: Stage, socket: Path) -> Outcome:
    """What the clients have seen when all is published and it has happened."""
    outcome, publisher = Outcome(stage.scale.total), stage.publisher
    url = f"ws://127.0.0.1:{stage.relay.port}{room.path}"
    how = replace(stage.scale.clients, resume=room.resume)
    async with returning(url, how, outcome.total, socket) as clients, asyncio.TaskGroup() as group:
        publishing = group.create_task(publisher.publish())
        await fault.happen(stage)
        await publisher.reach(outcome.total)
        for log in await clients.logs(PATIENCE):
            outcome.judge(log, publisher.errors)
        await end([publishing])
    outcome.errors = len(publisher.errors)
    return outcome
