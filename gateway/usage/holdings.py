"""What a process holds of a budget's money or of a limit on concurrency.

Taken in chunks from the shared store, counted down in memory, settled by what was used, given
back when it lies idle and at the end. Unlike a lease per minute it does not run out with the
clock, but with its budget's window, or when the store was silent for ten minutes: by then the
store may have counted this process out.

INVARIANT: `own` is what this process has spent or may still spend without asking, in this window;
the store knows at least as much of it, unless it was told that it is less.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from gateway.usage.leases import REFUSED_FOR_S
from gateway.usage.store import Held, LeaseStore, NoBase, StoreUnreachable

# Ours end before the store's idea of a dead holder (gateway.usage.rebuilding.SILENT_S).
VALID_WITHOUT_STORE_S: Final = 600.0
IDLE_S: Final = 20.0
_HEAL_EVERY_S: Final = 2.0


@dataclass(slots=True)
class Holding:
    """One thing that is held. `left` may be negative: more was used than was reserved."""

    held: Held
    limit: int
    chunk: int
    keep: int = 0  # units that are kept for the next request rather than given back at once
    ends_at: float = math.inf  # of the wall clock
    left: int = 0
    own: int = 0
    number: int = 0
    wanting: int = 0
    used_at: float = 0.0
    refused_until: float = 0.0  # the store has no more
    unknown_until: float = 0.0  # the store could not say
    exhausted_until: float = 0.0  # a request was refused for it
    heal_at: float = 0.0
    task: "asyncio.Task[None] | None" = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Holdings:
    """The holdings of one process."""

    def __init__(
        self,
        store: LeaseStore,
        *,
        holder: str,
        wall: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.holder = holder
        self._wall = wall
        self._clock = clock
        self._all: dict[str, Holding] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def holding_of(
        self, held: Held, *, limit: int, chunk: int, keep: int, ends_at: float = math.inf
    ) -> Holding:
        """The holding of a thing, made when it is first asked for."""
        holding = self._all.get(held.name)
        if holding is None:
            holding = self._all[held.name] = Holding(
                held=held, limit=limit, chunk=chunk, keep=keep, ends_at=ends_at
            )
        elif holding.limit != limit:
            # What is held is let go, as far as it is not used: the store decides anew.
            held_unused = max(0, holding.left)
            holding.left -= held_unused
            holding.own -= held_unused
            holding.limit, holding.chunk, holding.keep = limit, chunk, keep
            holding.refused_until = 0.0
        return holding

    def usable(self, holding: Holding) -> int:
        """How much a request may have of it now, without I/O."""
        if self._clock() - self._store.answered_at > VALID_WITHOUT_STORE_S:
            return 0
        return holding.left if self._wall() < holding.ends_at else 0

    def take(self, holding: Holding, amount: int) -> None:
        """Have so much of it, which `usable` said is there; fetch ahead when it runs low."""
        holding.left -= amount
        holding.used_at = now = self._clock()
        if (
            holding.keep
            and holding.task is None
            and holding.left * 2 <= holding.chunk
            and now >= holding.refused_until
            and now >= holding.unknown_until
        ):
            self._spawn(holding, self._fetch_behind(holding))

    def put_back(self, holding: Holding, amount: int) -> None:
        """So much of what was taken was not used. Negative: so much more was."""
        holding.left += amount
        if holding.left > 2 * holding.keep and holding.task is None:
            self._spawn(holding, self._return(holding, keep=holding.keep))

    async def fetch(
        self,
        holding: Holding,
        amount: int,
        base: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """See that `amount` is usable, if the store has it. `base` tells the store what was spent
        before, when it does not know. Never raises for the store."""
        holding.wanting += amount
        try:
            async with holding.lock:
                now = self._clock()
                if (
                    self.usable(holding) < amount
                    and now >= holding.refused_until
                    and now >= holding.unknown_until
                ):
                    wanted = max(holding.chunk, holding.wanting)
                    try:
                        await self._hold(holding, wanted)
                    except NoBase:
                        if base is None or not await base():
                            holding.unknown_until = self._clock() + REFUSED_FOR_S
                            return
                        with suppress(NoBase):
                            await self._hold(holding, wanted)
        finally:
            holding.wanting -= amount

    def wants_healing(self, holding: Holding) -> bool:
        """Whether it is time to look for what dead processes held. Says so every 2 s."""
        now = self._clock()
        if now < holding.heal_at:
            return False
        holding.heal_at = now + _HEAL_EVERY_S
        return True

    async def restate(self) -> None:
        """Tell a store that may have forgotten what is held. Raises StoreUnreachable."""
        for holding in list(self._all.values()):
            if holding.own and self._wall() < holding.ends_at:
                async with holding.lock:
                    await self._state(holding)

    async def return_idle(self) -> None:
        """Give back what nobody used for a while, and forget what ended."""
        for name, holding in list(self._all.items()):
            if self._wall() >= holding.ends_at + 60:
                del self._all[name]
            elif holding.left > 0 and self._clock() - holding.used_at > IDLE_S:
                await self._return(holding)

    async def aclose(self) -> None:
        """Give back what is not used. A store that is gone is no error."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for holding in self._all.values():
            await self._return(holding)

    def _spawn(self, holding: Holding, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        holding.task = task
        self._tasks.add(task)

        def done(_: object) -> None:
            holding.task = None
            self._tasks.discard(task)

        task.add_done_callback(done)

    async def _fetch_behind(self, holding: Holding) -> None:
        async with holding.lock:
            if holding.left * 2 <= holding.chunk:
                with suppress(NoBase):
                    await self._hold(holding, holding.chunk)

    async def _hold(self, holding: Holding, amount: int) -> None:
        """Take more. Under the lock. Raises NoBase."""
        holding.number += 1
        if holding.left < 0:  # what was used beyond reservations was spent all the same
            holding.own -= holding.left
            holding.left = 0
        try:
            granted = await self._store.hold(
                holding.held,
                holder=self.holder,
                number=holding.number,
                own=holding.own,
                amount=amount,
                limit=holding.limit,
            )
        except StoreUnreachable:
            holding.unknown_until = self._clock() + REFUSED_FOR_S
            return
        holding.own += granted
        holding.left += granted
        if granted < amount:
            holding.refused_until = self._clock() + REFUSED_FOR_S

    async def _return(self, holding: Holding, *, keep: int = 0) -> None:
        async with holding.lock:
            amount = holding.left - keep
            if amount <= 0 or self._wall() >= holding.ends_at:
                return
            holding.left -= amount
            holding.own -= amount
            with suppress(StoreUnreachable):
                await self._state(holding)

    async def _state(self, holding: Holding) -> None:
        holding.number += 1
        with suppress(NoBase):
            await self._store.hold(
                holding.held,
                holder=self.holder,
                number=holding.number,
                own=holding.own,
                amount=0,
                limit=holding.limit,
            )
