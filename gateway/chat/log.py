"""Each conversation's event log in the shared store: what changed, in which order, by ids alone.

Text is in the database, committed before its entry is written. An entry's id is the position
from which a browser goes on (`Last-Event-ID`). The log is a wake-up and an order; whoever was away
too long reads the database. So an entry that is lost, or a store that forgot everything, costs a
delay and never a word.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 2.0
KEPT_ENTRIES: Final = 2_000
KEPT_MS: Final = 24 * 3600 * 1000
HERE_FOR_S: Final = 45
BEGINNING: Final = "0-0"


class Kind(StrEnum):
    """What an entry tells of."""

    ADDED = "added"  # a question and the reply that begins, by the reply's id
    BEGAN = "began"  # the gateway has decided: the reply's receipt has its first line
    GREW = "grew"  # a piece of a reply is there
    ENDED = "ended"  # a reply came to its end, whichever
    CHANGED = "changed"  # a message is not what it was, or is gone
    RENAMED = "renamed"
    ACCESS = "access"  # who may read has changed
    GONE = "gone"  # the conversation was deleted
    HERE = "here"  # somebody came or left
    TYPING = "typing"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `message` and `user` where the kind has one."""

    position: str
    kind: str
    message: int | None = None
    user: str = ""


def stream_key(conversation_id: str) -> str:
    """Where a conversation's log lies."""
    return f"sluice:chat:{{{conversation_id}}}:log"


def here_key(conversation_id: str) -> str:
    """Who is looking at a conversation: a sorted set of people by when they last said so."""
    return f"sluice:chat:{{{conversation_id}}}:here"


class ConversationLog:
    """A connection to the logs. For one event loop."""

    def __init__(self, url: str) -> None:
        # Its answers are typed as whatever either protocol version may give.
        # One retry, for a connection that died while idle: waiting longer holds up replies.
        self._redis: Any = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        # Waiting is what reading does: the client's own limit would end it, and retry with pauses.
        self._reading: Any = Redis.from_url(
            url, decode_responses=True, socket_timeout=None, retry=Retry(NoBackoff(), 0)
        )

    async def append(
        self, conversation_id: str, kind: Kind, *, message: int | None = None, user: str = ""
    ) -> None:
        """Add an entry. A store that does not answer is logged and costs nothing else."""
        fields: dict[str, str] = {"kind": kind.value}
        if message is not None:
            fields["message"] = str(message)
        if user:
            fields["user"] = user
        key = stream_key(conversation_id)
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.xadd(key, fields, maxlen=KEPT_ENTRIES, approximate=True)
                pipeline.pexpire(key, KEPT_MS)
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("a chat's log could not be written: %s", type(error).__name__)

    async def position(self, conversation_id: str) -> str:
        """The newest position. `0-0` when there is none, or the store does not answer."""
        try:
            newest = await self._redis.xrevrange(stream_key(conversation_id), count=1)
        except (RedisError, OSError, TimeoutError):
            return BEGINNING
        return str(newest[0][0]) if newest else BEGINNING

    async def read(
        self, positions: Mapping[str, str], *, wait_ms: int, wake: tuple[str, str]
    ) -> tuple[dict[str, list[Entry]], str]:
        """Entries behind `positions` (conversation -> position), waiting for the first.

        `wake`: another stream with its position, which ends the waiting. Returns its new position
        too. Raises RedisError, OSError.
        """
        by_key = {stream_key(conversation): conversation for conversation in positions}
        wanted = {key: positions[conversation] for key, conversation in by_key.items()}
        answer = await self._reading.xread({**wanted, wake[0]: wake[1]}, block=wait_ms, count=500)
        found: dict[str, list[Entry]] = {}
        woken = wake[1]
        for key, entries in answer or []:
            if key == wake[0]:
                woken = entries[-1][0]
            else:
                found[by_key[key]] = [_entry(position, fields) for position, fields in entries]
        return found, woken

    async def since(self, conversation_id: str, position: str) -> list[Entry] | None:
        """The entries behind `position`; None when the log does not reach back so far."""
        oldest = await self._redis.xrange(stream_key(conversation_id), count=1)
        if position != BEGINNING and (not oldest or _order(oldest[0][0]) > _order(position)):
            return None
        entries = await self._redis.xrange(stream_key(conversation_id), min=f"({position}")
        return [_entry(found, fields) for found, fields in entries]

    async def wake(self, key: str) -> None:
        """End the waiting of `read`."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xadd(key, {"kind": "wake"}, maxlen=1)
            pipeline.expire(key, 60)
            await pipeline.execute()

    async def say_here(self, conversation_id: str, users: Iterable[str]) -> None:
        """Say that people are looking. Raises RedisError, OSError."""
        now = time.time()
        key = here_key(conversation_id)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zadd(key, dict.fromkeys(users, now))
            pipeline.expire(key, HERE_FOR_S)
            await pipeline.execute()

    async def say_left(self, conversation_id: str, user: str) -> None:
        """Say that somebody looks no more. Raises RedisError, OSError."""
        await self._redis.zrem(here_key(conversation_id), user)

    async def who_is_here(self, conversation_id: str) -> list[str]:
        """Who looks now, by how long ago they came. Raises RedisError, OSError."""
        since = time.time() - HERE_FOR_S
        found: list[str] = await self._redis.zrangebyscore(here_key(conversation_id), since, "+inf")
        return sorted(found)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._reading.aclose()


def _entry(position: str, fields: Mapping[str, str]) -> Entry:
    message = fields.get("message", "")
    return Entry(
        position=position,
        kind=fields.get("kind", ""),
        message=int(message) if message.isdigit() else None,
        user=fields.get("user", ""),
    )


def _order(position: str) -> tuple[int, int]:
    moment, _, number = position.partition("-")
    return int(moment), int(number or 0)
