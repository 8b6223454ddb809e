"""The shared store's side of leases: what was taken of each limit, by whom.

Two kinds, each one script that runs atomically in the store. Amounts are whole numbers below
2^53 (requests, tokens, nano-dollars).

**Per minute** (requests, tokens): a hash with the window's number and what was taken in it. The
store's clock alone decides which window it is. Exact within each one, and two windows' worth may
come together around their border. A store that forgets everything (killed, no append-only file)
begins the window anew for other processes; each process says what it took itself, so one alone
never overruns.

**Held** (money of a budget's window, concurrency): a hash with what each process holds or has
used (`h:<writer>`), and, for money, a `base`: what the database says was spent by nobody who
holds. INVARIANT: base plus all `h:` is never below what was spent and may still be spent without
asking, and grants stop where it reaches the limit. A process states its own part with each
question and numbers its questions, so that one that is answered late, twice or never changes
nothing. Money without a `base` (a new window, or a store that forgot) is granted to nobody until
somebody has read the database: `gateway.usage.rebuilding`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

TIMEOUT_S: Final = 0.5
HOLDERS: Final = "sluice:holders"

# KEYS[1]: the lease key. ARGV: limit, amount wanted, window's length in seconds,
# and the caller's last window with what it took in it.
_TAKE: Final = """
local clock = redis.call('TIME')
local length_ms = tonumber(ARGV[3]) * 1000
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local window = math.floor(now_ms / length_ms)
local left_ms = (window + 1) * length_ms - now_ms
local state = redis.call('HMGET', KEYS[1], 'window', 'taken')
local taken = 0
if state[1] and tonumber(state[1]) == window then taken = tonumber(state[2]) end
if tonumber(ARGV[4]) == window then taken = math.max(taken, tonumber(ARGV[5])) end
local granted = math.max(0, math.min(tonumber(ARGV[2]), tonumber(ARGV[1]) - taken))
taken = taken + granted
redis.call('HSET', KEYS[1], 'window', string.format('%.0f', window),
           'taken', string.format('%.0f', taken))
redis.call('PEXPIRE', KEYS[1], left_ms + 1000)
return {granted, window, left_ms, tonumber(ARGV[1]) - taken}
"""

# KEYS[1]: the lease key. ARGV: window, amount not used.
_GIVE_BACK: Final = """
local state = redis.call('HMGET', KEYS[1], 'window', 'taken')
if state[1] == ARGV[1] then
  local taken = math.max(0, tonumber(state[2]) - tonumber(ARGV[2]))
  redis.call('HSET', KEYS[1], 'taken', string.format('%.0f', taken))
end
return 1
"""

# KEYS[1]: what is held. ARGV: holder, the question's number, what the holder has of it already,
# amount wanted, limit, 1 where nothing can be spent without a base, seconds to keep it (0: for
# good). Answers {granted, taken by all}; granted -1: there is no base; -2: a later question of
# this holder was answered before.
_HOLD: Final = """
local mine, number = 'h:' .. ARGV[1], 'n:' .. ARGV[1]
local seen = redis.call('HGET', KEYS[1], number)
if seen and tonumber(seen) >= tonumber(ARGV[2]) then return {-2, 0} end
local all, total, base = redis.call('HGETALL', KEYS[1]), 0, nil
for place = 1, #all, 2 do
  if all[place] == 'base' then base = tonumber(all[place + 1]) end
  if string.sub(all[place], 1, 2) == 'h:' and all[place] ~= mine then
    total = total + tonumber(all[place + 1])
  end
end
local own = tonumber(ARGV[3])
total = total + own + (base or 0)
local granted = math.max(0, math.min(tonumber(ARGV[4]), tonumber(ARGV[5]) - total))
if ARGV[6] == '1' and not base then granted = 0 end
redis.call('HSET', KEYS[1], mine, string.format('%.0f', own + granted), number, ARGV[2])
if tonumber(ARGV[7]) > 0 then redis.call('EXPIRE', KEYS[1], ARGV[7]) end
if ARGV[6] == '1' and not base and tonumber(ARGV[4]) > 0 then return {-1, 0} end
return {granted, total + granted}
"""

# KEYS[1]: what is held. ARGV: base, seconds to keep it (0: for good), then holders that are gone.
# What ended holders spent is in the base, which therefore only ever grows.
_REBASE: Final = """
local base = math.max(tonumber(ARGV[1]), tonumber(redis.call('HGET', KEYS[1], 'base') or '0'))
redis.call('HSET', KEYS[1], 'base', string.format('%.0f', base))
for place = 3, #ARGV do redis.call('HDEL', KEYS[1], 'h:' .. ARGV[place], 'n:' .. ARGV[place]) end
if tonumber(ARGV[2]) > 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return 1
"""

# KEYS[1]: the holders. ARGV: holder. Answers {seconds, 1 if the store knew the holder}.
_GREET: Final = """
local now = redis.call('TIME')[1]
redis.call('HSETNX', KEYS[1], 'born', now)
local knew = redis.call('HEXISTS', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], now)
return {tonumber(now), knew}
"""


class StoreUnreachable(Exception):
    """The store did not answer in time, or not sensibly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseKey:
    """What a lease is for. `kind`: "requests", "tokens"; `subject`: whose."""

    kind: str
    subject: str

    @property
    def name(self) -> str:
        """The store's key. In braces: one slot in a cluster."""
        return f"sluice:lease:{{{self.kind}:{self.subject}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the store gave. `ends_in_s` counts from the moment of the question at the earliest."""

    amount: int
    window: int
    ends_in_s: float
    remaining: int  # in the store, for whoever asks next; negative when the limit was lowered


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of one thing. `needs_base`: nothing is granted before the database was asked.
    `keep_s` 0: for good."""

    name: str
    needs_base: bool
    keep_s: int


class NoBase(Exception):
    """The store does not know what was spent before: it must be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Who greeted this store since it was empty, in seconds of its clock."""

    born: int
    seen: dict[str, int]
    now: int


class LeaseStore:
    """A connection to the shared store. For one event loop."""

    def __init__(self, url: str) -> None:
        # One retry, for a connection that died while idle. A question whose answer was lost may
        # be counted twice: that wastes a chunk and overruns nothing.
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        self._redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=retry
        )
        self._take = self._redis.register_script(_TAKE)
        self._give_back = self._redis.register_script(_GIVE_BACK)
        self._hold = self._redis.register_script(_HOLD)
        self._rebase = self._redis.register_script(_REBASE)
        self._greet = self._redis.register_script(_GREET)
        self.answered_at = time.monotonic()

    async def take(
        self, key: LeaseKey, *, limit: int, amount: int, window_s: int, own: tuple[int, int]
    ) -> Grant:
        """Deduct up to `amount` of the window's `limit`. `own`: (window, taken) of the caller.

        Raises StoreUnreachable.
        """
        arguments = [limit, amount, window_s, *own]
        answer = await self._run(self._take, key.name, arguments)
        granted, window, left_ms, remaining = (int(number) for number in answer)
        return Grant(amount=granted, window=window, ends_in_s=left_ms / 1000, remaining=remaining)

    async def give_back(self, key: LeaseKey, *, window: int, amount: int) -> None:
        """Return what was not used, if its window still lasts. Raises StoreUnreachable."""
        await self._run(self._give_back, key.name, [window, amount])

    async def hold(
        self, held: Held, *, holder: str, number: int, own: int, amount: int, limit: int
    ) -> int:
        """State that `holder` has `own` of it, and take up to `amount` more; how much it got.

        `number` grows with each question of this holder. Raises NoBase, StoreUnreachable.
        """
        needs = 1 if held.needs_base else 0
        arguments = [holder, number, own, amount, limit, needs, held.keep_s]
        answer = await self._run(self._hold, held.name, arguments)
        granted = int(answer[0])
        if granted == -1:
            raise NoBase(held.name)
        if granted < 0:
            # Ours, sent again by the client library: what it was granted is not known.
            raise StoreUnreachable("answered twice")
        return granted

    async def rebase(self, held: Held, *, base: int, gone: Sequence[str] = ()) -> None:
        """Tell the store what was spent by nobody who holds. Raises StoreUnreachable."""
        await self._run(self._rebase, held.name, [base, held.keep_s, *gone])

    async def holders_of(self, held: Held) -> set[str]:
        """Who has, or had, some of it. Raises StoreUnreachable."""
        names = await self._asked(self._redis.hkeys(held.name))
        return {name[2:].decode() for name in names if name.startswith(b"h:")}

    async def greet(self, holder: str) -> bool:
        """Say that `holder` lives; whether the store knew it. Raises StoreUnreachable."""
        answer = await self._run(self._greet, HOLDERS, [holder])
        return bool(answer[1])

    async def holders(self) -> Holders:
        """Everybody who greeted. Raises StoreUnreachable."""
        rows = await self._asked(self._redis.hgetall(HOLDERS))
        now = await self._asked(self._redis.time())
        seen = {name.decode(): int(at) for name, at in rows.items()}
        born = seen.pop("born", int(now[0]))
        return Holders(born=born, seen=seen, now=int(now[0]))

    async def forget_holder(self, holder: str) -> None:
        """The holder ended well. Raises StoreUnreachable."""
        await self._asked(self._redis.hdel(HOLDERS, holder))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _run(self, script: Any, key: str, arguments: list[Any]) -> Any:
        return await self._asked(script(keys=[key], args=arguments))

    async def _asked(self, question: Any) -> Any:
        try:
            answer = await question
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnreachable(type(error).__name__) from error
        self.answered_at = time.monotonic()
        return answer
