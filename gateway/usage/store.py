"""The shared store's side of leases: what was taken of each limit in the current window.

One hash per lease key with the window's number and what was taken in it; both scripts run
atomically in the store, and its clock alone decides which window it is. Amounts are whole
numbers below 2^53 (requests, tokens, micro-units of money).

The window is the minute (or whatever length) of the store's clock, counted from the epoch: exact
within each one, and two windows' worth may come together around their border. A store that
forgets everything (killed, no append-only file) begins the window anew for other processes; each
process says what it took itself, so one alone never overruns.
"""

from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

TIMEOUT_S: Final = 0.5

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


class StoreUnreachable(Exception):
    """The store did not answer in time, or not sensibly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseKey:
    """What a lease is for. `kind`: "requests" (later "tokens", "money"); `subject`: whose."""

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

    async def take(
        self, key: LeaseKey, *, limit: int, amount: int, window_s: int, own: tuple[int, int]
    ) -> Grant:
        """Deduct up to `amount` of the window's `limit`. `own`: (window, taken) of the caller.

        Raises StoreUnreachable.
        """
        arguments = [limit, amount, window_s, *own]
        answer = await self._run(self._take, key, arguments)
        granted, window, left_ms, remaining = (int(number) for number in answer)
        return Grant(amount=granted, window=window, ends_in_s=left_ms / 1000, remaining=remaining)

    async def give_back(self, key: LeaseKey, *, window: int, amount: int) -> None:
        """Return what was not used, if its window still lasts. Raises StoreUnreachable."""
        await self._run(self._give_back, key, [window, amount])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    @staticmethod
    async def _run(script: Any, key: LeaseKey, arguments: list[int]) -> Any:
        try:
            return await script(keys=[key.name], args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnreachable(type(error).__name__) from error
