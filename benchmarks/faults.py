"""What may happen to a service while a room is busy."""

import asyncio
import signal
from functools import partial

from benchmarks.stage import Fault, Stage

AWAY = 2.0  # seconds that clients are cut off
STOPPED, KILLED = signal.SIGTERM, signal.SIGKILL


async def restarts(stage: Stage, number: signal.Signals) -> None:
    """Each process is ended and started again, one after the other, evenly over the time."""
    turns = stage.processes * stage.scale.times
    for turn, process in enumerate(turns):
        await stage.reach((turn + 0.5) / len(turns))
        await asyncio.to_thread(process.end, number)
        await asyncio.to_thread(process.start)


async def redis_kills(stage: Stage) -> None:
    """Redis ends all connections to it every two seconds."""
    assert stage.redis
    for second in range(1, stage.scale.seconds, 2):
        await stage.reach(second / stage.scale.seconds)
        for kind in ("pubsub", "normal"):
            await asyncio.to_thread(stage.redis.ask, "CLIENT", "KILL", "TYPE", kind)


async def redis_restarts(stage: Stage) -> None:
    """Redis itself ends, and comes back a second later with nothing in it."""
    assert stage.redis
    for turn in range(stage.scale.times):
        await stage.reach((turn + 0.5) / stage.scale.times)
        stage.redis.kill()
        await asyncio.sleep(1)
        await asyncio.to_thread(stage.redis.start)


async def cuts(stage: Stage) -> None:
    """All clients are cut off for a while."""
    for turn in range(stage.scale.times):
        await stage.reach((turn + 0.5) / stage.scale.times)
        stage.relay.cut()
        await asyncio.sleep(AWAY)
        await stage.relay.open()


FAULTS = {
    "deploy": Fault("each process stopped, started again", partial(restarts, number=STOPPED)),
    "kill": Fault("each process killed, started again", partial(restarts, number=KILLED)),
    "redis": Fault("Redis's connections killed every 2 s", redis_kills),
    "cut": Fault("clients cut off for 2 s", cuts),
    "short": Fault("the same, a history of 50 messages", cuts, 2, 1, {"HISTORY_MESSAGES": "50"}),
    "empty": Fault("Redis started again, empty", redis_restarts, gaps=1),
    "alone-cut": Fault("no Redis, one process: clients cut off for 2 s", cuts, processes=1),
    "alone": Fault(
        "no Redis, one process: stopped, started again", partial(restarts, number=STOPPED), 1, 1
    ),
}
