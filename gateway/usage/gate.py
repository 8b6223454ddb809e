"""The gate of one process: every limit of a request, reserved together or not at all.

Which limits concern a principal is worked out once and kept until the limits change (`applicable`).
A request without any costs a look into a dictionary; one with limits a few more (`reserving`), and
no store call while the leases last (`leases`, `holdings`).

Money: a hard budget reserves the most that a request can cost, at the dearest of those who may
serve it, and limits its output where the caller did not, or where the budget's rest pays for less.
Whoever has nothing to pay for (every candidate is free) needs no money. A candidate whose price
nobody knows cannot be held to a budget, and is refused.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from typing_extensions import override

from gateway.inference.contracts import BudgetGate, Refusal, Reservation
from gateway.inference.limits import (
    ALL_WELL,
    Ask,
    AtEnd,
    BudgetRule,
    BudgetState,
    Limits,
    Spender,
    window_at,
)
from gateway.usage import refusals
from gateway.usage.applicable import Applicable, ApplicableLimits, Money
from gateway.usage.holdings import Holding, Holdings
from gateway.usage.leases import WINDOW_S, Lease, MinuteLeases
from gateway.usage.reserving import UNLIMITED, Reserving, Short
from gateway.usage.store import Held, LeaseStore, StoreUnreachable

__all__ = ["UNLIMITED", "LeaseGate", "Ledger"]

_GREET_EVERY_S: Final = 1.0
_ESTABLISHED_WITHIN_S: Final = 3.0
_ASKED_AGAIN_AFTER_S: Final = 0.2


class Ledger(Protocol):
    """What the database knows of budgets. Implemented by `gateway.usage.rebuilding`."""

    async def establish(
        self, store: LeaseStore, held: Held, *, rule: BudgetRule, subject: str, window: str
    ) -> bool:
        """Tell the store what was spent, and who is gone; False: not to be known yet."""
        ...

    async def release_dead(self, store: LeaseStore, held: Held) -> None:
        """Let go of what dead processes hold."""
        ...


class LeaseGate(BudgetGate):
    """See the module. One instance per event loop."""

    def __init__(
        self,
        url: str,
        *,
        holder: str = "",
        ledger: Ledger | None = None,
        window_s: int = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`url` of the store, as `redis.from_url` takes it; `holder`: the journal writer of this
        process. Does no I/O."""
        self._store = LeaseStore(url)
        self._ledger = ledger
        self._clock = clock
        self._wall = wall
        self.minutes = MinuteLeases(self._store, window_s=window_s, clock=clock)
        self.holdings = Holdings(self._store, holder=holder or "alone", wall=wall, clock=clock)
        self.applicable = ApplicableLimits(self.minutes, self.holdings, wall=wall)
        self._reserving = Reserving(self.minutes, self.holdings, clock=clock, heal=self._heal)
        self._upkeep: asyncio.Task[None] | None = None
        self._healing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Greet the store, and go on greeting it and giving back what lies idle. A store that is
        gone does not stop the start."""
        with suppress(StoreUnreachable):
            await self._greet()
        self._upkeep = asyncio.get_running_loop().create_task(self._keep_up())

    @override
    def state(self, principal: Spender, limits: Limits) -> BudgetState:
        if not limits.budgets:
            return ALL_WELL
        applicable = self.applicable.of(principal, limits)
        if not applicable.budgets:
            return ALL_WELL
        return self._state_of(applicable)

    @override
    def reserve(self, ask: Ask) -> Reservation | Refusal | None:
        applicable = self.applicable.to(ask)
        if applicable.nothing:
            return UNLIMITED
        got = self._reserving.attempt(applicable, ask)
        return None if isinstance(got, Short) else got

    @override
    async def renew(self, ask: Ask) -> Reservation | Refusal:
        applicable = self.applicable.to(ask)
        if applicable.nothing:
            return UNLIMITED
        kinds = len(applicable.requests) + len(applicable.tokens) + len(applicable.slots)
        # Twice each, for a window that ended while others were fetched.
        for _ in range(2 * (kinds + len(applicable.money)) + 1):
            got = self._reserving.attempt(applicable, ask)
            if not isinstance(got, Short):
                return got
            await self._fetch(got)
        return refusals.out_of_reach()

    async def aclose(self) -> None:
        """Give unused leases back and close the store. A store that is gone is no error."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
        for task in list(self._healing):
            task.cancel()
        await asyncio.gather(*self._healing, return_exceptions=True)
        await self.minutes.aclose()
        await self.holdings.aclose()
        await self._store.aclose()

    def _state_of(self, applicable: Applicable) -> BudgetState:
        now = self._clock()
        percent = 0
        on_prem_only = False
        for money in applicable.money:
            if now < money.holding.exhausted_until:
                percent = 100
                on_prem_only = on_prem_only or money.rule.at_end is AtEnd.ON_PREM
        at = None
        for rule, subject in applicable.budgets:
            if rule.reached:
                at = at or datetime.fromtimestamp(self._wall(), UTC)
                window = window_at(rule.period, at).name
                percent = max(percent, rule.reached.get((subject, window), 0))
        word = "exhausted" if percent >= 100 else "warned" if percent >= 80 else "ok"
        return BudgetState(word, on_prem_only)

    # --- asking the store ----------------------------------------------------------------------

    async def _fetch(self, short: Short) -> None:
        of = short.of
        if isinstance(of, Lease):
            await self.minutes.fetch(of, short.amount)
        elif isinstance(of, Holding):
            await self.holdings.fetch(of, short.amount)
        else:
            await self.holdings.fetch(of.holding, short.amount, lambda: self._establish(of))

    async def _establish(self, money: Money) -> bool:
        """Whether the store knows now what was spent. Waits a little for processes that are just
        beginning, or have not noticed yet that the store forgot."""
        if self._ledger is None:
            return False
        until = self._clock() + _ESTABLISHED_WITHIN_S
        while True:
            with suppress(StoreUnreachable):
                if await self._ledger.establish(
                    self._store,
                    money.holding.held,
                    rule=money.rule,
                    subject=money.subject,
                    window=money.window,
                ):
                    return True
            if self._clock() >= until:
                return False
            await asyncio.sleep(_ASKED_AGAIN_AFTER_S)

    def _heal(self, holding: Holding, money: Money | None) -> None:
        """Look, in the background, for what dead processes hold of what ran out."""
        if self._ledger is None or not self.holdings.wants_healing(holding):
            return
        task = asyncio.get_running_loop().create_task(self._healed(holding, money))
        self._healing.add(task)
        task.add_done_callback(self._healing.discard)

    async def _healed(self, holding: Holding, money: Money | None) -> None:
        if money is not None:
            await self._establish(money)
        elif self._ledger is not None:
            with suppress(StoreUnreachable):
                await self._ledger.release_dead(self._store, holding.held)

    async def _keep_up(self) -> None:
        while True:
            with suppress(StoreUnreachable):
                await self._greet()
                await self.holdings.return_idle()
            await asyncio.sleep(_GREET_EVERY_S)

    async def _greet(self) -> None:
        """INVARIANT: a store that knows this process knows what it holds."""
        holder = self.holdings.holder
        if holder not in (await self._store.holders()).seen:
            await self.holdings.restate()
        await self._store.greet(holder)
