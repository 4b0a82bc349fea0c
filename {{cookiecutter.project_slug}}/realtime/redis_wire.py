"""How the service connects to Redis, and how channels and messages are written there."""

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from realtime.types import Message

FAILURES = (RedisError, OSError, TimeoutError)
# No repetition of a command: it may have been carried out, and a message comes once.
TIMES: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": 5}


def url() -> str:
    """The URL of Redis; only called with one."""
    return str(settings.REDIS_URL)


def async_client() -> AsyncRedis:
    """A client for one event loop."""
    return AsyncRedis.from_url(url(), retry=AsyncRetry(NoBackoff(), 0), **TIMES)


@cache
def client() -> Redis:
    """The client of all threads."""
    return Redis.from_url(url(), retry=Retry(NoBackoff(), 0), **TIMES)


@cache
def prefix() -> bytes:
    """Keeps services apart that share a Redis: no two have the same SECRET_KEY."""
    return salted_hmac("realtime", "", algorithm="sha256").hexdigest()[:16].encode() + b":"


def name(channel: str) -> bytes:
    """The channel's name in Redis."""
    return prefix() + channel.encode()


def channel(name: bytes) -> str:
    """The channel of a name in Redis."""
    return name.removeprefix(prefix()).decode()


def encode(message: Message) -> bytes:
    """A letter for the kind of the message, then the message."""
    return b"t" + message.encode() if isinstance(message, str) else b"b" + message


def decode(data: bytes) -> Message:
    """The message that was encoded."""
    return data[1:].decode() if data[:1] == b"t" else data[1:]
