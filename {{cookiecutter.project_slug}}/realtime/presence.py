"""Presence: who is in a channel, and who comes and goes, told once however many connections."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings

from realtime.channels import channels
from realtime.connections import STOPPED, Connection, current, stops, sweepers
from realtime.messages import dumps, loads
from realtime.types import PublishError, check_channel

BEAT, SOON = 2.0, 2.0  # seconds between two looks; that `present` waits for Redis
AT_ONCE = 1000  # changes in a call
logger = logging.getLogger(__name__)
rosters: "WeakKeyDictionary[asyncio.AbstractEventLoop, Roster]" = WeakKeyDictionary()


@asynccontextmanager
async def present(channel: str, member: Any) -> AsyncIterator[None]:
    """Have the member, a name or another value of JSON, in the channel until the block ends.

    Raises TypeError or ValueError for one that `dumps` or `loads` refuses.
    """
    text, here, owner = dumps(member), roster(), current.get(None)
    loads(text)  # or who asks for the members would hear of it
    entry = f"{text}\n{changes(channel)}"
    here.count(entry, 1)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                while entry not in here.told and not here.backend.error:
                    await here.round.wait()
        yield
    finally:
        ended = stops() and (not owner or owner.code == STOPPED)  # with the service, and not before
        if not (settings.REDIS_URL and ended):  # else they have until the lease ends to be back
            here.count(entry, -1)


async def members(channel: str) -> list[Any]:
    """Who is in the channel. Raises PublishError if Redis is away."""
    return [loads(text) for text in sorted(await roster().link.members(changes(channel)))]


def changes(channel: str) -> str:
    """The channel of those who come and go: {"joined": member} and {"left": member}, as JSON."""
    check_channel(channel)
    return f"presence.{channel}"


class Roster:
    """Who is present in an event loop. What others know of it, one task for all brings in line."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()  # connections of each member: "member\nchannel"
        self.told, self.changed = set[str](), dict[str, None]()
        self.bell, self.round = asyncio.Event(), asyncio.Event()
        self.backend = channels().backend
        away = settings.REDIS_URL and import_module("realtime.backends.presence")
        self.link: Any = away.Members(self.backend) if away else Members(self.backend)
        channels().start(self._keep())

    def count(self, entry: str, by: int) -> None:
        """Note a connection more or less."""
        self.held[entry] += by
        if not self.held[entry]:
            del self.held[entry]
        self.changed[entry] = None
        self.bell.set()

    async def _keep(self) -> None:
        while True:
            try:
                while await self._tell():
                    pass
            except PublishError:
                pass  # they are told at the next beat
            except Exception:
                logger.exception("Who is present is told again soon")
            self.round.set()
            self.round = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self.bell.wait()
            self.bell.clear()

    async def _tell(self) -> bool:
        """Tell what has changed, or that this process is still there; whether there is more."""
        some = [*self.changed][:AT_ONCE]
        joined = [entry for entry in some if self.held[entry] and entry not in self.told]
        left = [entry for entry in some if not self.held[entry] and entry in self.told]
        for entry in some:
            del self.changed[entry]
        try:
            known = await self.link.tell(joined, left, self.told)
        except BaseException:
            self.changed |= dict.fromkeys(some)
            raise
        self.told.update(joined)
        self.told.difference_update(left)
        if not known:
            self.told.clear()
            self.changed |= dict.fromkeys(self.held)
        return bool(self.changed)


class Members:
    """Who is present in this process."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    async def members(self, channel: str) -> set[str]:
        """Those of the channel, in any event loop."""
        told = [entry.split("\n", 1) for each in others() for entry in each.told]
        return {member for member, where in told if where == channel}

    async def tell(self, joined: list[str], left: list[str], told: set[str]) -> bool:
        """Publish what is new for all event loops."""
        for entry in joined + left:
            if sum(entry in each.told for each in others()) == (entry in told):
                member, channel = entry.split("\n", 1)
                word = "left" if entry in told else "joined"
                await self.backend.publish(channel, '{"' + word + '": ' + member + "}", True)
        return True


def others() -> list[Roster]:
    """The rosters of all event loops that run."""
    return [each for loop, each in list(rosters.items()) if not loop.is_closed()]


def roster() -> Roster:
    """That of the running event loop."""
    if (loop := asyncio.get_running_loop()) not in rosters:
        for closed in [each for each in list(rosters) if each.is_closed()]:
            rosters.pop(closed, None)
        rosters[loop] = Roster()
    return rosters[loop]


def watch(open_here: list[Connection]) -> None:
    """Have a process that only listens look, too, for what another has left behind."""
    roster()


sweepers.append(watch)
