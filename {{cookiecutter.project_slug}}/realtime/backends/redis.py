"""Redis: each message goes through it to every process, on one subscribed connection in each.

redis-py would reconnect and resubscribe by itself, but forgets a channel that is subscribed while
Redis is away, tells nobody that it was, and repeats a command that may have been carried out.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
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
from redis.exceptions import RedisError
from redis.retry import Retry

from realtime.types import Message, PublishError

FAILURES = (RedisError, OSError, TimeoutError)
# No repetition of a command: a message comes once.
TIMES: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": 5}
SILENCE, ANSWER = 10.0, 2.0  # seconds until Redis is pinged, and for it to answer
PAUSE, LONGEST_PAUSE = 0.05, 0.4  # seconds between attempts to connect
RECOVERY = 1.0  # seconds after which the other processes have subscribed again, too
ALIVE = "realtime.alive"  # subscribed to at any rate: Redis takes no empty list
backends: "WeakSet[RedisBackend]" = WeakSet()
logger = logging.getLogger(__name__)


class RedisBackend:
    """One event loop's link to Redis: hands out what comes on the wanted channels.

    All that speaks to Redis runs in its own tasks, where no client's cancellation reaches it: on
    Python 3.11 `asyncio.wait_for`, which redis-py uses, may swallow one, and with it a logout.
    """

    def __init__(self, wanted: Collection[str], hand_out: Callable[[str, Message], None]) -> None:
        self.wanted, self.hand_out = wanted, hand_out
        retry, self.loop = AsyncRetry(NoBackoff(), 0), asyncio.get_running_loop()
        self.client = AsyncRedis.from_url(str(settings.REDIS_URL), retry=retry, **TIMES)
        self.pubsub: Any = None
        self.error = ""  # why nothing can be published
        self.tried = asyncio.Event()  # to connect, for the first time
        self.asked: dict[str, asyncio.Event] = {}  # set once Redis has confirmed the channel
        self.lock = asyncio.Lock()  # SUBSCRIBE and UNSUBSCRIBE have to go out in order
        self.outgoing: list[tuple[bytes, bytes, asyncio.Future[str]]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self._start(self._run())
        backends.add(self)

    def agree(self, channel: str) -> asyncio.Task[None]:
        """Subscribe or unsubscribe, as is wanted; done when Redis has confirmed, or is away."""
        return self._start(self._agree(channel))

    async def publish(self, channel: str, message: Message) -> None:
        """Publish, with all that is published meanwhile. Raises PublishError if Redis is away."""
        done: asyncio.Future[str] = self.loop.create_future()
        self.outgoing.append((name(channel), encode(message), done))
        if len(self.outgoing) == 1:
            self._start(self._publish_all())
        if error := await done:
            raise PublishError(error)

    async def close(self) -> None:
        """End the link."""
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _run(self) -> None:
        """Listen; when the connection is lost, connect again."""
        pause = PAUSE
        async with self.client:
            while True:
                try:
                    async with self.client.pubsub() as pubsub:
                        await self._listen(pubsub)
                except Exception as error:
                    if not self.error:
                        logger.error("Redis is away, and nothing can be published: %s", error)
                    self.error = f"Redis is away: {error}"
                pause = PAUSE if self.pubsub else min(2 * pause, LONGEST_PAUSE)
                self.pubsub = None
                self.tried.set()
                for confirmed in self.asked.values():  # nobody has to wait for it
                    confirmed.set()
                await asyncio.sleep(uniform(pause / 2, pause))  # noqa: S311

    async def _listen(self, pubsub: Any) -> None:
        """Subscribe, and hand out what comes. Raises one of FAILURES when nothing does."""
        async with self.lock:
            self.asked = {channel: asyncio.Event() for channel in (ALIVE, *self.wanted)}
            await pubsub.subscribe(*map(name, self.asked))
            self.pubsub = pubsub
        self._start(self._recover(pubsub))
        while True:
            if (message := await pubsub.get_message(timeout=SILENCE)) is None:
                await pubsub.ping()
                message = await pubsub.get_message(timeout=ANSWER)
            match message:
                case {"type": "message", "channel": channel, "data": data}:
                    self.hand_out(name_of(channel), decode(data))
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
        await asyncio.sleep(RECOVERY if self.error else 0)
        if pubsub is self.pubsub:
            if self.error:
                logger.info("Redis is back")
            self.error = ""
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
                    async with self.client.pipeline(transaction=False) as pipeline:
                        for channel, data, _ in batch:
                            pipeline.publish(channel, data)
                        await pipeline.execute()
            except Exception as failure:  # which must not leave anybody waiting
                error = f"Redis is away: {failure}"
            del self.outgoing[: len(batch)]
            for _, _, done in batch:
                if not done.done():
                    done.set_result(error)


def publish_from_thread(channel: str, message: Message) -> None:
    """Publish in synchronous code. Raises PublishError if Redis is away."""
    for backend in list(backends):
        if backend.error and backend.loop.is_running():  # others may not have subscribed again
            raise PublishError(backend.error)
    try:
        client().publish(name(channel), encode(message))
    except FAILURES as error:
        raise PublishError(f"Redis is away: {error}") from error


@cache
def client() -> Redis:
    """The client of all threads."""
    return Redis.from_url(str(settings.REDIS_URL), retry=Retry(NoBackoff(), 0), **TIMES)


@cache
def prefix() -> bytes:
    """Keeps services apart that share a Redis: no two have the same SECRET_KEY."""
    return salted_hmac("realtime", "", algorithm="sha256").hexdigest()[:16].encode() + b":"


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
    return data[1:].decode() if data[:1] == b"t" else data[1:]
