"""Limits per minute without a store call per request: leases, taken in chunks from the store.

A lease is a number of units (requests, tokens), deducted in the store before they are used here,
valid until the end of the store's window. Requests count it down in memory (about 1 µs); a new
chunk is fetched in the background when it runs low, and awaited when it is empty.

INVARIANT: a unit is used at most once and only within the window it was deducted from, so all
processes together never pass a limit. What is refused too early is at most what the open leases
of other processes hold: a twentieth of the limit each (and half of it while one is fetched).
INVARIANT: a store that cannot be reached refuses whoever needs it, with words that say so.

Tokens are reserved by an estimate and settled by what was used: an estimate that was too low
leaves a debt, which the next chunk of the same window pays first.

Deliberately knows neither Django nor the database. One instance per event loop.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from gateway.inference.contracts import Refusal
from gateway.usage.store import LeaseKey, LeaseStore, StoreUnreachable

WINDOW_S: Final = 60
CHUNKS_PER_WINDOW: Final = 20
LARGEST_CHUNK: Final = 500
_LARGEST_TOKEN_CHUNK: Final = 1_000_000
_SMALLEST_FETCHED_AHEAD: Final = 4
# For how long a "no" of the store is believed without asking again: what other processes give
# back shows after it, and a client that hammers costs the store four questions a second.
REFUSED_FOR_S: Final = 0.25
_MAX_LEASES: Final = 10_000


@dataclass(slots=True)
class Lease:
    """What this process holds of one limit. Times in seconds of the leases' clock."""

    key: LeaseKey
    limit: int
    whose: str = "This key"
    left: int = 0
    window: int = -1
    ends_at: float = 0.0
    taken: int = 0  # in this window, by this process
    refused_until: float = 0.0
    wanting: int = 0  # units that requests wait for
    fetch: "asyncio.Task[None] | None" = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def chunk(self) -> int:
        """How many units are fetched at once."""
        largest = LARGEST_CHUNK if self.key.kind == "requests" else _LARGEST_TOKEN_CHUNK
        return max(1, min(self.limit // CHUNKS_PER_WINDOW, largest))


@dataclass(slots=True)
class Part:
    """Some units of a lease that one request has."""

    lease: Lease
    amount: int
    window: int  # which minute it counts in

    def settle(self, used: int) -> None:
        """It used so many after all, in the same window."""
        if self.lease.window == self.window:
            self.lease.left += self.amount - used


class MinuteLeases:
    """The leases per minute of one process."""

    def __init__(self, store: LeaseStore, *, window_s: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._window_s = window_s
        self._clock = clock
        self._leases: dict[LeaseKey, Lease] = {}
        self._unreachable_until = 0.0

    def lease_of(self, kind: str, subject: str, *, limit: int, whose: str) -> Lease:
        """The lease on a limit, made when it is first asked for."""
        key = LeaseKey(kind=kind, subject=subject)
        lease = self._leases.get(key)
        if lease is None:
            self._forget_ended()
            lease = self._leases[key] = Lease(key=key, limit=limit, whose=whose)
        elif lease.limit != limit:
            # Lowered or raised: what is held is dropped, and the store decides anew.
            lease.limit, lease.left, lease.refused_until = limit, 0, 0.0
        return lease

    def take(self, lease: Lease, amount: int) -> "Part | Refusal | None":
        """Some units without I/O. None: there are too few; `fetch` may bring some."""
        now = self._clock()
        if lease.left >= amount and now < lease.ends_at:
            lease.left -= amount
            if lease.fetch is None and lease.left * 2 <= lease.chunk:
                self._fetch_ahead(lease, now)
            return Part(lease, amount, lease.window)
        if now < lease.refused_until:
            return _exhausted(lease, now)
        if now < self._unreachable_until:
            return _unreachable(lease)
        return None

    async def fetch(self, lease: Lease, amount: int) -> None:
        """See that the lease has `amount`, if the store has it. Never raises for the store."""
        lease.wanting += amount
        try:
            async with lease.lock:
                # Those who waited behind others find what these fetched, or their refusal.
                if self._is_short(lease, amount):
                    wanted = max(lease.chunk, min(lease.wanting, lease.limit))
                    await self._fetch(lease, amount=wanted)
        finally:
            lease.wanting -= amount

    def _is_short(self, lease: Lease, amount: int) -> bool:
        now = self._clock()
        if now < lease.refused_until or now < self._unreachable_until:
            return False
        return lease.left < amount or now >= lease.ends_at

    async def aclose(self) -> None:
        """Give unused leases back. A store that is gone is no error."""
        fetches = [lease.fetch for lease in self._leases.values() if lease.fetch]
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)
        now = self._clock()
        with suppress(StoreUnreachable):
            for lease in self._leases.values():
                amount, lease.left = lease.left, 0
                if amount > 0 and now < lease.ends_at:
                    await self._store.give_back(lease.key, window=lease.window, amount=amount)

    def held(self) -> dict[int, int]:
        """Units that are held and not used, by window. For tests and pages."""
        found: dict[int, int] = {}
        for lease in self._leases.values():
            found[lease.window] = found.get(lease.window, 0) + lease.left
        return found

    def _fetch_ahead(self, lease: Lease, now: float) -> None:
        """Fetch the next chunk in the background, where that is worth it and may succeed."""
        if lease.chunk < _SMALLEST_FETCHED_AHEAD:
            return  # small limits are exact to the unit: nothing is held without need
        if now < lease.refused_until or now < self._unreachable_until:
            return
        lease.fetch = asyncio.get_running_loop().create_task(self._fetch_behind(lease))

    async def _fetch_behind(self, lease: Lease) -> None:
        try:
            async with lease.lock:
                if lease.left * 2 <= lease.chunk:
                    await self._fetch(lease, amount=lease.chunk)
        finally:
            lease.fetch = None

    async def _fetch(self, lease: Lease, *, amount: int) -> None:
        """Take a chunk. Called under the lease's lock; never raises for the store."""
        # The store's clock is read after this moment, so counting from here ends early, not late.
        asked_at = self._clock()
        amount -= min(lease.left, 0)  # what was used beyond the estimates, too
        try:
            grant = await self._store.take(
                lease.key,
                limit=lease.limit,
                amount=amount,
                window_s=self._window_s,
                own=(lease.window, lease.taken),
            )
        except StoreUnreachable:
            self._unreachable_until = self._clock() + REFUSED_FOR_S
            return
        self._unreachable_until = 0.0
        if grant.window != lease.window:
            lease.window = grant.window
            lease.left = lease.taken = 0
        lease.left += grant.amount
        lease.taken += grant.amount
        lease.ends_at = asked_at + grant.ends_in_s
        if grant.amount < amount:
            lease.refused_until = min(lease.ends_at, self._clock() + REFUSED_FOR_S)

    def _forget_ended(self) -> None:
        """Bound the memory: leases of windows gone by know nothing that matters."""
        if len(self._leases) < _MAX_LEASES:
            return
        now = self._clock()
        self._leases = {
            key: lease
            for key, lease in self._leases.items()
            if lease.ends_at > now or lease.wanting or lease.fetch
        }


def _exhausted(lease: Lease, now: float) -> Refusal:
    what = lease.key.kind
    done = "made" if what == "requests" else "used"
    verb = "make" if what == "requests" else "use"
    return Refusal(
        code="rate_limited",
        message=f"{lease.whose} may {verb} {lease.limit} {what} per minute, and has {done} them.",
        retry_after_s=max(1, math.ceil(lease.ends_at - now)),
    )


def _unreachable(lease: Lease) -> Refusal:
    whose = lease.whose[:1].lower() + lease.whose[1:]
    return Refusal(
        code="rate_limited",
        message=f"The limit store is unreachable and {whose}'s lease is used up; try again.",
        retry_after_s=1,
    )
