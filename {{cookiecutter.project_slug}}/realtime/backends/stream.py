"""A channel in Redis: its names, and the stream of what is kept of it.

A script writes, counts and publishes a message in one step, so that there is one order. The ID of
an entry is the message's position: its epoch, which is the time at which counting began, and its
offset.
"""

from functools import cache
from hashlib import sha1
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from realtime.backends import BYTES, KNOWN, limits
from realtime.types import Message

# With RESP3, its default, redis-py's asyncio pool hands out connections that Redis has closed.
OPTIONS: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": 5, "protocol": 2}

# Both get the stream and what is known of it, for which counting begins if nothing is, or what is
# comes from before a start of Redis, which may have lost the latest. Redis 6 has all they use.
BEGIN = f"""
local known_for, bytes = {KNOWN}, {BYTES}
local clock = redis.call('TIME')
local now = clock[1] .. string.format('%06d', clock[2])
local function begin(stream, top, run)
    local known = redis.call('HMGET', top, 'run', 'epoch', 'offset', 'last')
    local epoch, offset = known[2], tonumber(known[3] or 0)
    if not epoch or (run ~= '' and known[1] ~= '' and run ~= known[1]) then
        epoch, offset = now, 0
        redis.call('DEL', stream, top)
        redis.call('HSET', top, 'run', run, 'epoch', epoch)
    elseif run ~= '' and known[1] == '' then
        redis.call('HSET', top, 'run', run)
    end
    return epoch, offset, known[4]
end
"""
# Given: run, seconds, most, token, again ("1" if some may be there already), messages. An entry is
# the time in µs, a token that no other has, and the message.
PUBLISH = (
    BEGIN
    + """
local function shorten(stream)
    local size, number = 0, 0
    for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-')) do
        if number > 0 and size + #entry[2][2] > bytes / 2 then
            redis.call('XTRIM', stream, 'MAXLEN', number)
            break
        end
        size, number = size + #entry[2][2], number + 1
    end
    return size
end
local function publish(stream, top, given)
    local epoch, offset = begin(stream, top, given[1])
    local seconds, most, token, there, size = given[2], given[3], given[4], {}, 0
    if given[5] == '1' then
        for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 2000)) do
            there[string.match(entry[2][2], ' (%S+) ')] = true
        end
    end
    for number = 6, #given do
        local own = token .. number
        if not there[own] then
            offset = offset + 1
            local position = epoch .. '-' .. offset
            local entry = now .. ' ' .. own .. ' ' .. given[number]
            redis.call('XADD', stream, 'MAXLEN', '~', most, position, 'm', entry)
            size = size + #entry
            redis.call('PUBLISH', stream, position .. ' ' .. given[number])
        end
    end
    redis.call('HSET', top, 'offset', offset, 'last', now)
    if redis.call('HINCRBY', top, 'size', size) > bytes then  -- or fewer: MAXLEN may have cut some
        redis.call('HSET', top, 'size', shorten(stream))
    end
    redis.call('EXPIRE', stream, seconds)
    redis.call('EXPIRE', top, math.max(seconds, known_for))
end
"""
)
# ARGV: run, epoch, offset. Returns the position, the time, that of the last message, and the
# entries after the given position, or all where it is of another epoch; none without an epoch.
SINCE = """
local stream, top = KEYS[1], KEYS[2]
local epoch, offset, last = begin(stream, top, ARGV[1])
redis.call('EXPIRE', top, math.max(redis.call('TTL', top), known_for))
local answer, from = {epoch .. '-' .. offset, now, offset > 0 and last or '0'}, '-'
if ARGV[2] == epoch then
    from = epoch .. '-' .. ARGV[3] + 1
end
if ARGV[2] ~= '' and (ARGV[2] ~= epoch or tonumber(ARGV[3]) < offset) then
    for _, entry in ipairs(redis.call('XRANGE', stream, from, '+')) do
        table.insert(answer, entry[2][2])
    end
end
return answer
"""
SCRIPTS = [PUBLISH + "publish(KEYS[1], KEYS[2], ARGV)", BEGIN + SINCE]
DIGESTS = [sha1(script.encode(), usedforsecurity=False).hexdigest() for script in SCRIPTS]


def publishing(
    channel: str, messages: list[bytes], keep: bool, token: str, again: str, run: str = ""
) -> tuple[Any, ...]:
    """The command that publishes them; a single one if it is not kept."""
    if not keep:
        return "PUBLISH", name(channel), b" " + messages[0]
    given = (run, *limits(channel), token, again, *messages)
    return "EVALSHA", DIGESTS[0], 2, *keys(channel), *given


def asking(channel: str, run: str, after: tuple[str, int]) -> tuple[Any, ...]:
    """The command that returns what is kept after a position."""
    return "EVALSHA", DIGESTS[1], 2, *keys(channel), run, *after


@cache
def client() -> Any:
    """The client of all threads."""
    return Redis.from_url(str(settings.REDIS_URL), retry=Retry(NoBackoff(), 0), **OPTIONS)


@cache
def prefix() -> bytes:
    """Keeps services apart that share a Redis, by their SECRET_KEY and the database's number."""
    db = client().connection_pool.connection_kwargs.get("db") or 0
    own = salted_hmac("realtime", str(db), algorithm="sha256").hexdigest()[:16]
    return b"{" + own.encode() + b":"


def name(channel: str) -> bytes:
    """The channel's name in Redis, and its stream's. In a cluster braces keep keys together."""
    return prefix() + channel.encode() + b"}"


def keys(channel: str) -> tuple[bytes, bytes]:
    """The stream, and what is known of it."""
    return name(channel), name(channel) + b":top"


def name_of(key: bytes) -> str:
    """The channel of a name in Redis."""
    return key.removeprefix(prefix()).removesuffix(b"}").decode()


def encode(message: Message) -> bytes:
    """A letter for the kind of the message, then the message."""
    return b"t" + message.encode() if isinstance(message, str) else b"b" + message


def decode(data: bytes) -> Message:
    """The message that was encoded."""
    if data[:1] not in (b"t", b"b"):
        raise ValueError(f"unknown kind {data[:1]!r}")
    return data[1:].decode() if data[:1] == b"t" else data[1:]
