"""Who is present, in Redis: a set of each event loop, with a lease, and how many have a member.

One script does all, and publishes what changes: once, whoever notices it. The clock is Redis's.
"""

import asyncio
from hashlib import sha1
from secrets import token_hex
from typing import Any

from realtime.backends import limits
from realtime.backends.stream import PUBLISH, SCRIPTS, name, prefix
from realtime.types import OWN

LEASE = 10  # seconds, from which a process that was killed is gone
RESTORE = 4.0  # seconds for all processes to come back to a Redis that was away, or lost it all
# KEYS: the leases. ARGV: whose call, run, seconds, most, prefix, lease, mode, the run it knows,
# how many join, they, those who leave. Whether the lease was known; -1 alone in another run.
SCRIPT = (
    PUBLISH
    + """
local leases, own, given = KEYS[1], KEYS[1] .. ARGV[1], {ARGV[2], ARGV[3], ARGV[4], '-', ''}
if ARGV[7] == '' and ARGV[8] ~= '' and ARGV[2] ~= '' and ARGV[2] ~= ARGV[8] then return -1 end
local function change(set, entry, by, quiet)
    if redis.call(by == 1 and 'SADD' or 'SREM', set, entry) == 0 then return end
    local member, channel = string.match(entry, '^([^\\n]*)\\n(.*)$')
    local stream = ARGV[5] .. channel .. '}'
    local count = redis.call('HINCRBY', stream .. ':members', member, by)
    if count < 1 then redis.call('HDEL', stream .. ':members', member) end
    if quiet or count > 1 or (count == 1 and by == -1) then return end
    given[6] = 't{"' .. (by == 1 and 'joined' or 'left') .. '": ' .. member .. '}'
    if given[2] == '0' then redis.call('PUBLISH', stream, ' ' .. given[6])
    else publish(stream, stream .. ':top', given) end
end
local until_when = now + ARGV[6] * 1000000
local last = redis.call('ZREVRANGE', leases, 0, 0, 'WITHSCORES')
if last[2] and tonumber(last[2]) < tonumber(now) then -- Redis was away from all: none is to blame
    for _, id in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
        redis.call('ZADD', leases, now + math.min(ARGV[6], SOON) * 1000000, id)
    end
end
local known = redis.call('ZADD', leases, until_when, ARGV[1]) == 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, 0, '(' .. now)) do
    local set = leases .. id
    for _, entry in ipairs(redis.call('SMEMBERS', set)) do change(set, entry, -1) end
    redis.call('ZREM', leases, id)
end
if ARGV[7] == 'afresh' then
    for _, entry in ipairs(redis.call('SMEMBERS', own)) do change(own, entry, -1, true) end
end
for at = 10, #ARGV do change(own, ARGV[at], at < 10 + ARGV[9] and 1 or -1, ARGV[7] ~= '') end
return known and 1 or 0
""".replace("SOON", str(RESTORE))
)
SCRIPTS.append(SCRIPT)
DIGEST = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Members:
    """What Redis knows of who is present."""

    def __init__(self, backend: Any) -> None:
        self.backend, self.own, self.run = backend, token_hex(8), ""

    async def members(self, channel: str) -> list[str]:
        """Those of the channel."""
        found = await self.backend.ask(lambda run: ("HKEYS", name(channel) + b":members"))
        return [member.decode() for member in found]

    async def tell(self, joined: list[str], left: list[str], told: set[str]) -> bool:
        """Tell Redis; False if it knows nothing of this event loop, or no more."""
        while (known := await self._call(joined, left, "")) < 0:
            run, old = self.backend.run, [*told]  # it started again, with nothing or an older state
            for at in range(0, len(old) or 1, 1000):
                await self._call(old[at : at + 1000], [], "quiet" if at else "afresh")
            self.run = run
            await asyncio.sleep(RESTORE)  # or who is also elsewhere would be said to leave
        self.run = self.run or self.backend.run
        return bool(known)

    async def _call(self, joined: list[str], left: list[str], mode: str) -> Any:
        given = (*limits(""), prefix(), LEASE, mode, self.run, len(joined), *joined, *left)
        call = ("EVALSHA", DIGEST, 1, name(f"{OWN}present"), self.own)
        return await self.backend.ask(lambda run: (*call, run, *given))
