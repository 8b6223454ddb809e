"""How many requests each deployment is working on, over all processes.

Each process says its own part to the shared store once a second while it has any, and once more
when it has none; who went silent is left out after some seconds. For people who look: routing and
limits never ask. A store that is away costs the figure and nothing else.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

KEY: Final = "sluice:loads"
SAID_EVERY_S: Final = 1.0
SILENT_AFTER_S: Final = 5
_TIMEOUT_S: Final = 0.5
_KEPT_S: Final = 60

# The store's clock says when, so that processes need not agree on theirs.
# KEYS[1]: the hash. ARGV: who, the part as JSON (empty: nothing), seconds to keep the hash.
_SAY: Final = """
if ARGV[2] == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1] .. ' ' .. ARGV[2])
return redis.call('EXPIRE', KEYS[1], tonumber(ARGV[3]))
"""


class Loads:
    """Says this process's part. For one event loop."""

    def __init__(self, url: str, *, who: str, mine: Callable[[], Mapping[str, int]]) -> None:
        """`who`: the journal writer of this process; `mine`: requests in flight by deployment.
        Does no I/O."""
        self._redis: Any = Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )
        self._say = self._redis.register_script(_SAY)
        self._who, self._mine = who, mine
        self._said = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to say it. A store that is gone does not stop the start."""
        self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def say(self) -> None:
        """Once. Raises RedisError, OSError."""
        mine = dict(self._mine())
        if mine or self._said:
            part = msgspec.json.encode(mine).decode() if mine else ""
            await self._say(keys=[KEY], args=[self._who, part, _KEPT_S])
            self._said = bool(mine)

    async def aclose(self) -> None:
        """Take the part back, if the store answers, and end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._mine = dict
        with suppress(RedisError, OSError):
            await self.say()
        await self._redis.aclose()

    async def _go_on(self) -> None:
        while True:
            with suppress(RedisError, OSError):
                await self.say()
            await asyncio.sleep(SAID_EVERY_S)


def loads_now(url: str) -> Mapping[str, int] | None:
    """Requests in flight by deployment, of every process that said so lately. One round trip.

    None: the store does not answer.
    """
    try:
        with SyncRedis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        ) as store:
            pipe = store.pipeline(transaction=False)
            pipe.time()
            pipe.hgetall(KEY)
            (now_s, _micros), said = pipe.execute()
    except (RedisError, OSError):
        return None
    return _sum(said.values(), since_s=now_s - SILENT_AFTER_S)


def _sum(parts: Any, *, since_s: int) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in parts:
        at, _space, loads = part.partition(b" ")
        with suppress(ValueError, msgspec.MsgspecError):
            if int(at) >= since_s:
                total.update(msgspec.json.decode(loads, type=dict[str, int]))
    return total
