"""Redis: each message goes through it to every process, on one subscribed connection in each.

redis-py would reconnect and resubscribe by itself, but forgets a channel that is subscribed while
Redis is away, tells nobody that it was, and repeats a command that may have been carried out.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from functools import cache
from random import uniform
from typing import Any
from weakref import WeakSet

from django.conf import settings
from django.utils.crypto import salted_hmac
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from realtime.types import Message, PublishError

FAILURES = (RedisError, OSError, TimeoutError)
# With RESP3, its default, redis-py's asyncio pool hands out connections that Redis has closed.
OPTIONS: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": 5, "protocol": 2}
IDLE = 1.0  # seconds after which the publishing connection may be lost, and is tried before its use
SILENCE, ANSWER = 10.0, 2.0  # seconds until Redis is pinged, and for it to answer
PAUSE, LONGEST_PAUSE = 0.05, 0.4  # seconds between attempts to connect
RECOVERY = 1.0  # seconds after which the other processes have subscribed again, too
ALIVE = "\0alive"  # subscribed to at any rate: Redis takes no empty list
backends: "WeakSet[RedisBackend]" = WeakSet()
logger = logging.getLogger(__name__)


class RedisBackend:
    """One event loop's link to Redis: hands out what comes on the wanted channels.

    All that speaks to Redis runs in its own tasks, where no client's cancellation reaches it: on
    Python 3.11 `asyncio.wait_for`, which redis-py uses, may swallow one, and with it a logout.
    """

    def __init__(self, channels: Any) -> None:
        self.channels, self.wanted = channels, channels.subscribers.keys()
        retry, self.loop = AsyncRetry(NoBackoff(), 0), asyncio.get_running_loop()
        self.client = AsyncRedis.from_url(str(settings.REDIS_URL), retry=retry, **OPTIONS)
        self.pubsub: Any = None
        self.error: Exception | None = None  # why nothing can be published
        self.tried = asyncio.Event()  # to connect, for the first time or after a loss
        self.run_id: Any = None  # of Redis: another one after each of its starts
        self.lost: float | None = None  # when the subscription was, until it is back
        self.published = 0.0  # when, for the last time
        self.asked: dict[str, asyncio.Event] = {}  # set once Redis has confirmed the channel
        self.lock = asyncio.Lock()  # SUBSCRIBE and UNSUBSCRIBE have to go out in order
        self.outgoing: list[tuple[bytes, bytes, asyncio.Future[Exception | None]]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self._start(self._run())
        backends.add(self)

    def agree(self, channel: str) -> asyncio.Task[None]:
        """Subscribe or unsubscribe, as is wanted; done when Redis has confirmed, or is away."""
        return self._start(self._agree(channel))

    async def publish(self, channel: str, message: Message) -> None:
        """Publish, with all that is published meanwhile. Raises PublishError if Redis is away."""
        done: asyncio.Future[Exception | None] = self.loop.create_future()
        self.outgoing.append((name(channel), encode(message), done))
        if len(self.outgoing) == 1:
            self._start(self._publish_all())
        if error := await done:
            raise PublishError("Redis is away") from error

    async def close(self) -> None:
        """End the link, even if redis-py loses a cancellation."""
        while tasks := tuple(self.tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

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
                    else:  # perhaps only the connection was lost: who comes waits for the next
                        logger.error("Redis is away, and nothing can be published: %r", error)
                        self.tried.clear()
                    self.error = error
                pause = min(2 * pause, LONGEST_PAUSE)
                if self.pubsub:
                    pause, self.lost = PAUSE, self.lost or self.loop.time()
                self.pubsub = None
                for confirmed in self.asked.values():  # nobody has to wait for it
                    confirmed.set()
                await asyncio.sleep(uniform(pause / 2, pause))  # noqa: S311

    async def _listen(self, pubsub: Any) -> None:
        """Subscribe, and hand out what comes. Raises one of FAILURES when nothing does."""
        run_id = None
        with suppress(ResponseError):  # INFO is not permitted
            run_id = (await self.client.info("server")).get("run_id")
        if self.run_id and run_id not in (self.run_id, None):
            self.lost = None  # Redis itself was down: nothing was published meanwhile
        self.run_id = run_id
        async with self.lock:
            self.asked = {channel: asyncio.Event() for channel in (ALIVE, *self.wanted)}
            await pubsub.subscribe(*map(name, self.asked))
            self.pubsub = pubsub
        self._start(self._recover(pubsub))
        while going_on():
            if (message := await pubsub.get_message(timeout=SILENCE)) is None:
                await pubsub.ping()
                message = await pubsub.get_message(timeout=ANSWER)
            match message:
                case {"type": "message", "channel": channel, "data": data}:
                    try:
                        self.channels.hand_out(name_of(channel), decode(data))
                    except ValueError as error:
                        logger.error("A message that is none of ours is dropped: %s", error)
                    await asyncio.sleep(0)  # the clients are sent to meanwhile
                case {"type": "subscribe", "channel": channel}:
                    if confirmed := self.asked.get(name_of(channel)):
                        confirmed.set()
                case None:
                    raise TimeoutError("no answer to a ping")

    async def _recover(self, pubsub: Any) -> None:
        """Let `publish` succeed: at once, or after a failure when every process hears it."""
        for confirmed in list(self.asked.values()):
            await confirmed.wait()
        if pubsub is self.pubsub and self.lost:
            self.channels.interrupted(self.lost)
        elif self.error:
            await asyncio.sleep(RECOVERY)
        if pubsub is self.pubsub:
            if self.error:
                logger.info("Redis is back")
            self.error = self.lost = None
            self.tried.set()

    async def _agree(self, channel: str) -> None:
        with suppress(*FAILURES):
            async with asyncio.timeout(ANSWER):
                await self.tried.wait()
                await self._tell(channel)
                if confirmed := self.asked.get(channel):
                    await confirmed.wait()

    async def _tell(self, channel: str) -> None:
        async with self.lock:
            if self.pubsub is None:
                return
            if channel in self.wanted and channel not in self.asked:
                self.asked[channel] = asyncio.Event()
                await self.pubsub.subscribe(name(channel))
            elif channel not in self.wanted and channel in self.asked:
                self.asked.pop(channel).set()
                await self.pubsub.unsubscribe(name(channel))

    async def _publish_all(self) -> None:
        """Publish what there is, in order, on one connection."""
        while batch := self.outgoing[:1000]:
            try:
                async with asyncio.timeout(ANSWER):
                    await self.tried.wait()
                if not (error := self.error):
                    if self.published < self.loop.time() - IDLE:
                        with suppress(*FAILURES):  # after which redis-py connects again
                            await self.client.ping()
                    async with self.client.pipeline(transaction=False) as pipeline:
                        for channel, data, _ in batch:
                            pipeline.publish(channel, data)
                        await pipeline.execute()
                    self.published = self.loop.time()
            except Exception as failure:  # which must not leave anybody waiting
                logger.error("Nothing could be published: %r", failure)
                error = failure
            del self.outgoing[: len(batch)]
            for _, _, done in batch:
                if not done.done():
                    done.set_result(error)


def going_on() -> bool:
    """True, or it raises a cancellation that Python 3.11's `asyncio.wait_for` has swallowed."""
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError
    return True


def publish_from_thread(channel: str, message: Message) -> None:
    """Publish in synchronous code. Raises PublishError if Redis is away."""
    for backend in list(backends):
        if backend.error and backend.loop.is_running():  # others may not have subscribed again
            raise PublishError("Redis is away") from backend.error
    try:
        client().publish(name(channel), encode(message))
    except FAILURES as error:
        raise PublishError("Redis is away") from error


@cache
def client() -> Redis:
    """The client of all threads."""
    return Redis.from_url(str(settings.REDIS_URL), retry=Retry(NoBackoff(), 0), **OPTIONS)


@cache
def prefix() -> bytes:
    """Keeps services apart that share a Redis, by their SECRET_KEY and the database's number."""
    db = client().connection_pool.connection_kwargs.get("db") or 0
    return salted_hmac("realtime", str(db), algorithm="sha256").hexdigest()[:16].encode() + b":"


def name(channel: str) -> bytes:
    """The channel's name in Redis."""
    return prefix() + channel.encode()


def name_of(key: bytes) -> str:
    """The channel of a name in Redis."""
    return key.removeprefix(prefix()).decode()


def encode(message: Message) -> bytes:
    """A letter for the kind of the message, then the message."""
    return b"t" + message.encode() if isinstance(message, str) else b"b" + message


def decode(data: bytes) -> Message:
    """The message that was encoded."""
    if data[:1] not in (b"t", b"b"):
        raise ValueError(f"unknown kind {data[:1]!r}")
    return data[1:].decode() if data[:1] == b"t" else data[1:]
