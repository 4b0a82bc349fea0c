"""Redis: each message goes through it to every process, on one subscribed connection in each.

redis-py would reconnect and resubscribe by itself, but forgets a channel that is subscribed while
Redis is away, tells nobody that it was, and repeats a command that may have been carried out.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from random import uniform
from secrets import token_hex
from typing import Any, NamedTuple

from django.conf import settings
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from realtime.backends import Kept, Position, kept, limits, parse
from realtime.backends.stream import (
    OPTIONS,
    SCRIPTS,
    asking,
    client,
    decode,
    encode,
    name,
    name_of,
    publishing,
)
from realtime.types import OWN, Message, PublishError

FAILURES = (RedisError, OSError, TimeoutError)
IDLE = 1.0  # seconds after which the publishing connection may be lost, and is tried before its use
SILENCE, ANSWER = 10.0, 2.0  # seconds until Redis is pinged, and for it to answer
PAUSE, LONGEST_PAUSE = 0.05, 0.4  # seconds between attempts to connect
ALIVE = f"{OWN}alive"  # subscribed to at any rate: Redis takes no empty list
logger = logging.getLogger(__name__)


class Work(NamedTuple):
    """What Redis is to do, and who waits for its answer."""

    channel: str
    message: bytes  # to publish
    keep: bool
    question: Any  # what makes the command of Redis's run_id, if nothing is published
    done: asyncio.Future[Any]

    def call(self) -> Any:
        """What is the same for messages that one call of the script publishes."""
        return self.channel if self.message and self.keep else id(self)


class Backend:
    """One event loop's link to Redis: passes on what comes on the known channels.

    All that speaks to Redis runs in tasks of its own, where no client's cancellation reaches it: on
    Python 3.11 `asyncio.wait_for`, which redis-py uses, may swallow one, and with it a logout.
    """

    def __init__(self, channels: Any) -> None:
        self.channels, self.loop = channels, asyncio.get_running_loop()
        retry = AsyncRetry(NoBackoff(), 0)
        self.client = AsyncRedis.from_url(str(settings.REDIS_URL), retry=retry, **OPTIONS)
        self.pubsub: Any = None
        self.error: Exception | None = None  # why nothing can be published
        self.tried = asyncio.Event()  # to connect, for the first time or after a loss
        self.run = ""  # Redis's run_id: another one after each of its starts
        self.used = 0.0  # when a command was carried out, for the last time
        self.asked: set[str] = set()  # channels that are subscribed to, or about to be
        self.heard: set[str] = set()  # those of them for which Redis has said so
        self.lock = asyncio.Lock()  # SUBSCRIBE and UNSUBSCRIBE have to go out in order
        self.outgoing: list[Work] = []
        channels.start(self._run())

    def agree(self, channel: str) -> None:
        """Subscribe or unsubscribe, as is wanted."""
        self.channels.start(self._agree(channel))

    async def publish(self, channel: str, message: Message, keep: bool) -> None:
        """Publish, with all that is published meanwhile."""
        await self._order(channel, encode(message), keep and limits(channel)[0] > 0)

    async def since(self, channel: str, position: Position | None) -> Kept:
        """What is kept since the position. Waits for Redis."""
        after = position or ("", 0)
        while True:
            try:
                answer = await self.ask(lambda run: asking(channel, run, after))
                top, now, last, *entries = answer
                break
            except PublishError:
                await asyncio.sleep(LONGEST_PAUSE)
        messages = []
        for moment, _, message in (entry.split(b" ", 2) for entry in entries):
            messages.append((decode(message), (int(now) - int(moment)) / 1e6))
        epoch, _, offset = top.decode().rpartition("-")
        quiet = (int(now) - int(last)) / 1e6
        return kept(channel, position, Position(epoch, int(offset)), messages, quiet)

    async def ask(self, question: Callable[[str], tuple[Any, ...]]) -> Any:
        """The answer to a command, which may be tried twice. Raises PublishError."""
        return await self._order("", b"", True, question)

    async def _order(self, channel: str, message: bytes, keep: bool, question: Any = None) -> Any:
        """Have Redis do it, after what waits. Raises PublishError if Redis is away."""
        work = Work(channel, message, keep, question, self.loop.create_future())
        self.outgoing.append(work)
        if len(self.outgoing) == 1:
            self.channels.start(self._work())
        answer = await work.done
        if isinstance(answer, Exception):
            raise PublishError("Redis is away") from answer
        return answer

    async def _run(self) -> None:
        """Listen; when the connection is lost, connect again."""
        pause = PAUSE
        async with self.client:
            while going_on():
                try:
                    async with self.client.pubsub() as pubsub:
                        await self._listen(pubsub)
                except Exception as error:
                    if self.error:
                        self.tried.set()
                        self.channels.away()
                    else:  # perhaps only the connection was lost: who comes waits for the next
                        logger.error("Redis is away, and nothing can be published: %r", error)
                        self.tried.clear()
                    self.error = error
                pause = PAUSE if self.pubsub else min(2 * pause, LONGEST_PAUSE)
                if self.pubsub:
                    self.pubsub = None
                    self.channels.cut()
                await asyncio.sleep(uniform(pause / 2, pause))  # noqa: S311

    async def _listen(self, pubsub: Any) -> None:
        """Subscribe, and pass on what comes. Raises one of FAILURES when nothing does."""
        with suppress(ResponseError):  # INFO is not permitted
            self.run = (await self.client.info("server")).get("run_id", "")
        async with self.lock:
            self.asked, self.heard = {ALIVE, *self.channels.known}, set()
            await pubsub.subscribe(*map(name, self.asked))
            self.pubsub = pubsub
        if self.error:
            logger.info("Redis is back")
        self.error, self.used = None, 0.0
        self.tried.set()
        while going_on():
            if (message := await pubsub.get_message(timeout=SILENCE)) is None:
                await pubsub.ping()
                message = await pubsub.get_message(timeout=ANSWER)
            match message:
                case {"type": "message", "channel": key, "data": data}:
                    self._receive(name_of(key), data)
                    await asyncio.sleep(0)  # the clients are sent to meanwhile
                case {"type": "subscribe", "channel": key}:
                    self._heard(name_of(key))
                case None:
                    raise TimeoutError("no answer to a ping")

    def _receive(self, channel: str, data: bytes) -> None:
        position, _, message = data.partition(b" ")
        try:
            self.channels.receive(channel, parse(position.decode()), decode(message))
        except ValueError as error:
            logger.error("A message that is none of ours is dropped: %s", error)

    def _heard(self, channel: str) -> None:
        """Redis has subscribed this connection to the channel, which may have been left since."""
        self.heard.add(channel)
        self.channels.subscribed(channel)
        if channel != ALIVE and channel not in self.channels.known:
            self.agree(channel)

    async def _agree(self, channel: str) -> None:
        with suppress(*FAILURES):
            async with self.lock, asyncio.timeout(ANSWER):  # however long a connection takes
                wanted, asked = channel in self.channels.known, channel in self.asked
                if self.pubsub is None:
                    return
                if wanted and asked:  # left, and entered again at once
                    if channel in self.heard and not self.channels.known[channel].live:
                        self.channels.subscribed(channel)
                elif wanted:
                    self.asked.add(channel)
                    await self.pubsub.subscribe(name(channel))
                elif channel in self.heard:  # else once it is: so no answer is one of before
                    self.asked.remove(channel)
                    self.heard.remove(channel)
                    await self.pubsub.unsubscribe(name(channel))

    async def _work(self) -> None:
        """Do what there is, in order, on one connection."""
        try:
            while self.outgoing:
                batch = [*next(groupby(self.outgoing[:1000], attrgetter("keep")))[1]]
                calls = [[*call] for _, call in groupby(batch, Work.call)]
                answers = await self._carry_out(calls)
                del self.outgoing[: len(batch)]
                for call, answer in zip(calls, answers, strict=True):
                    for work in call:
                        if not work.done.done():
                            work.done.set_result(answer)
        finally:  # if these channels end, nobody waits for ever
            left, self.outgoing = self.outgoing, []
            for work in left:
                if not work.done.done():
                    work.done.set_result(ConnectionError("these channels have ended"))

    async def _carry_out(self, calls: list[list[Work]]) -> list[Any]:
        """The answer to each. What is kept is tried again: the script knows what is there."""
        token, again, until = token_hex(6), "", self.loop.time() + ANSWER
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER):
                    await self.tried.wait()
            if self.error:
                return [self.error] * len(calls)
            numbered = enumerate(calls)
            try:
                return await self._execute(
                    [self._command(call, f"{token}{at}.", again) for at, call in numbered]
                )
            except Exception as error:  # which must not leave anybody waiting
                late = self.loop.time() > until or not isinstance(error, FAILURES)
                if late or not calls[0][0].keep:
                    logger.error("Nothing could be published: %r", error)
                    return [error] * len(calls)
            again = "1"
            await asyncio.sleep(PAUSE)

    def _command(self, call: list[Work], token: str, again: str) -> tuple[Any, ...]:
        channel, _, keep, question, _ = call[0]
        run = self.run if self.pubsub else ""
        if question:
            return question(run)  # type: ignore[no-any-return]
        messages = [work.message for work in call]
        return publishing(channel, messages, keep, token, again, run)

    async def _execute(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if self.used < self.loop.time() - IDLE:
            with suppress(*FAILURES):  # after which redis-py connects again
                await self._load()
        async with self.client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self._load()
            raise RedisError("the scripts were not there")
        self.used = self.loop.time()
        return answers

    async def _load(self) -> None:
        for script in SCRIPTS:
            await self.client.script_load(script)


def going_on() -> bool:
    """True, or it raises a cancellation that Python 3.11's `asyncio.wait_for` has swallowed."""
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError
    return True


def publish_from_thread(channel: str, message: Message, keep: bool) -> None:
    """Publish in synchronous code. Raises PublishError if Redis is away."""
    token, keep = token_hex(6), keep and limits(channel)[0] > 0
    for again in ("", "1"):
        try:
            client().execute_command(*publishing(channel, [encode(message)], keep, token, again))
            return
        except FAILURES as error:
            if again or not keep:
                raise PublishError("Redis is away") from error
        with suppress(*FAILURES):  # the script may be all that was missing
            client().script_load(SCRIPTS[0])


def ping() -> None:
    """Raise one of FAILURES if Redis does not answer."""
    client().ping()
