"""Limits without a store call per request: leases, taken in chunks from the shared store.

A lease is a number of units, deducted in the store before they are used here, valid until the
end of the store's window. Requests count it down in memory (about 1 µs); a new chunk is fetched
in the background when it runs low, and awaited when it is empty. Requests per minute per API key
are its first user; tokens and money will be further kinds of `LeaseKey`.

INVARIANT: a unit is used at most once and only within the window it was deducted from, so all
processes together never pass a limit. What is refused too early is at most what the open leases
of other processes hold: a twentieth of the limit each (and half of it while one is fetched).
INVARIANT: a store that cannot be reached refuses whoever needs it, with words that say so.

Deliberately knows neither Django nor the database. One instance per event loop.
"""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from gateway.inference.contracts import BudgetGate, Principal, Refusal, Reservation
from gateway.usage.store import LeaseKey, LeaseStore, StoreUnreachable

WINDOW_S: Final = 60
_CHUNKS_PER_WINDOW: Final = 20
_LARGEST_CHUNK: Final = 500
_SMALLEST_FETCHED_AHEAD: Final = 4
# For how long a "no" of the store is believed without asking again: what other processes give
# back shows after it, and a client that hammers costs the store four questions a second.
_REFUSED_FOR_S: Final = 0.25
# The second one for a window that ended on the first one's way back.
_ATTEMPTS: Final = 2
_MAX_LEASES: Final = 10_000


@dataclass(slots=True)
class _Lease:
    """What this process holds of one limit. Times in seconds of the gate's clock."""

    key: LeaseKey
    limit: int
    left: int = 0
    window: int = -1
    ends_at: float = 0.0
    taken: int = 0  # in this window, by this process
    refused_until: float = 0.0
    waiting: int = 0
    fetch: "asyncio.Task[None] | None" = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def chunk(self) -> int:
        return max(1, min(self.limit // _CHUNKS_PER_WINDOW, _LARGEST_CHUNK))


class _Unlimited:
    """Nothing was reserved, nothing is settled."""

    __slots__ = ()

    def settle(self, *, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing."""


class _Request:
    """One request of a lease."""

    __slots__ = ("_lease", "_open", "window")

    def __init__(self, lease: _Lease) -> None:
        self._lease = lease
        self._open = True
        self.window = lease.window  # which minute it counts in

    def settle(self, *, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        """A request that was sent is one request, whatever came of it."""
        self._open = False

    def release(self) -> None:
        """Nothing was sent: the next request may have it, in the same window."""
        if self._open:
            self._open = False
            if self._lease.window == self.window:
                self._lease.left += 1


UNLIMITED: Final = _Unlimited()


class LeaseGate(BudgetGate):
    """Requests per minute per API key; one without a limit costs nothing."""

    def __init__(
        self,
        url: str,
        *,
        window_s: int = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` of the store, as `redis.from_url` takes it. Does no I/O."""
        self._store = LeaseStore(url)
        self._window_s = window_s
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._unreachable_until = 0.0

    @override
    def reserve(
        self, principal: Principal, *, estimated_tokens: int
    ) -> Reservation | Refusal | None:
        limit = principal.requests_per_minute
        if limit is None:
            return UNLIMITED
        lease = self._leases.get(principal.key_id or principal.actor)
        if lease is None or lease.limit != limit:
            return None
        return self._reserve(lease)

    @override
    async def renew(self, principal: Principal, *, estimated_tokens: int) -> Reservation | Refusal:
        limit = principal.requests_per_minute
        if limit is None:
            return UNLIMITED
        lease = self._lease_of(principal.key_id or principal.actor, limit=limit)
        lease.waiting += 1
        try:
            async with lease.lock:
                # Those who waited behind others find what these fetched, or their refusal.
                reserved = self._reserve(lease)
                for _ in range(_ATTEMPTS):
                    if reserved is None:
                        amount = max(lease.chunk, min(lease.waiting, limit))
                        await self._fetch(lease, amount=amount)
                        reserved = self._reserve(lease)
        finally:
            lease.waiting -= 1
        return reserved or _exhausted(lease, self._clock())

    async def aclose(self) -> None:
        """Give unused leases back and close the store. A store that is gone is no error."""
        fetches = [lease.fetch for lease in self._leases.values() if lease.fetch]
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)
        now = self._clock()
        with suppress(StoreUnreachable):
            for lease in self._leases.values():
                amount, lease.left = lease.left, 0
                if amount and now < lease.ends_at:
                    await self._store.give_back(lease.key, window=lease.window, amount=amount)
        await self._store.aclose()

    def _reserve(self, lease: _Lease) -> _Request | Refusal | None:
        now = self._clock()
        if lease.left > 0 and now < lease.ends_at:
            lease.left -= 1
            if lease.fetch is None and lease.left * 2 <= lease.chunk:
                self._fetch_ahead(lease, now)
            return _Request(lease)
        if now < lease.refused_until:
            return _exhausted(lease, now)
        if now < self._unreachable_until:
            return _unreachable()
        return None

    def _fetch_ahead(self, lease: _Lease, now: float) -> None:
        """Fetch the next chunk in the background, where that is worth it and may succeed."""
        if lease.chunk < _SMALLEST_FETCHED_AHEAD:
            return  # small limits are exact to the unit: nothing is held without need
        if now < lease.refused_until or now < self._unreachable_until:
            return
        lease.fetch = asyncio.get_running_loop().create_task(self._fetch_behind(lease))

    async def _fetch_behind(self, lease: _Lease) -> None:
        try:
            async with lease.lock:
                if lease.left * 2 <= lease.chunk:
                    await self._fetch(lease, amount=lease.chunk)
        finally:
            lease.fetch = None

    async def _fetch(self, lease: _Lease, *, amount: int) -> None:
        """Take a chunk. Called under the lease's lock; never raises for the store."""
        # The store's clock is read after this moment, so counting from here ends early, not late.
        asked_at = self._clock()
        try:
            grant = await self._store.take(
                lease.key,
                limit=lease.limit,
                amount=amount,
                window_s=self._window_s,
                own=(lease.window, lease.taken),
            )
        except StoreUnreachable:
            self._unreachable_until = self._clock() + _REFUSED_FOR_S
            return
        self._unreachable_until = 0.0
        if grant.window != lease.window:
            lease.window = grant.window
            lease.left = lease.taken = 0
        lease.left += grant.amount
        lease.taken += grant.amount
        lease.ends_at = asked_at + grant.ends_in_s
        if grant.amount < amount:
            lease.refused_until = min(lease.ends_at, self._clock() + _REFUSED_FOR_S)

    def _lease_of(self, subject: str, *, limit: int) -> _Lease:
        lease = self._leases.get(subject)
        if lease is None:
            self._forget_ended()
            key = LeaseKey(kind="requests", subject=subject)
            lease = self._leases[subject] = _Lease(key=key, limit=limit)
        elif lease.limit != limit:
            # Lowered or raised: what is held is dropped, and the store decides anew.
            lease.limit, lease.left, lease.refused_until = limit, 0, 0.0
        return lease

    def _forget_ended(self) -> None:
        """Bound the memory: leases of windows gone by know nothing that matters."""
        if len(self._leases) < _MAX_LEASES:
            return
        now = self._clock()
        self._leases = {
            subject: lease
            for subject, lease in self._leases.items()
            if lease.ends_at > now or lease.waiting or lease.fetch
        }


def _exhausted(lease: _Lease, now: float) -> Refusal:
    return Refusal(
        code="rate_limited",
        message=f"This key may make {lease.limit} requests per minute, and has made them.",
        retry_after_s=max(1, math.ceil(lease.ends_at - now)),
    )


def _unreachable() -> Refusal:
    return Refusal(
        code="rate_limited",
        message="The limit store is unreachable and this key's lease is used up; try again.",
        retry_after_s=1,
    )
