"""The gate of one process: every limit of a request, reserved together or not at all.

Which limits concern a principal is worked out once and kept until the limits change. A request
without any costs a look into a dictionary; one with limits a few more, and no store call while
the leases last (`leases`, `holdings`).

Money: a hard budget reserves the most that a request can cost, at the dearest of those who may
serve it, and limits its output where the caller did not, or where the budget's rest pays for less.
Whoever has nothing to pay for (every candidate is free) needs no money. A candidate whose price
nobody knows cannot be held to a budget, and is refused.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from typing_extensions import override

from gateway.inference.contracts import BudgetGate, Refusal, Reservation
from gateway.inference.limits import (
    ALL_WELL,
    NO_LIMITS,
    Ask,
    AtEnd,
    BudgetRule,
    BudgetState,
    Limits,
    Rates,
    Spender,
    window_at,
)
from gateway.inference.prices import Price
from gateway.usage.holdings import Holding, Holdings
from gateway.usage.leases import CHUNKS_PER_WINDOW, WINDOW_S, Lease, MinuteLeases, Part
from gateway.usage.store import Held, LeaseStore, StoreUnreachable

# What an answer may have where a budget must bound it and the caller said nothing.
DEFAULT_OUTPUT_TOKENS: Final = 8192
# A budget's rest that pays for fewer is spent: a stub of an answer helps nobody.
LEAST_OUTPUT_TOKENS: Final = 256
_EXHAUSTED_FOR_S: Final = 1.0
_GREET_EVERY_S: Final = 1.0
_ESTABLISHED_WITHIN_S: Final = 3.0
_ASKED_AGAIN_AFTER_S: Final = 0.2
_KEPT_AFTER_WINDOW_S: Final = 3 * 86_400
_SLOT_KEPT_S: Final = 86_400
_MAX_REMEMBERED: Final = 10_000


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


class _Unlimited:
    """Nothing was reserved, nothing is settled."""

    __slots__ = ()
    output_limit: int | None = None
    reserved_nano = 0
    leased: Sequence[list[str]] = ()

    def settle(self, *, tokens: int, cost_nano: int) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing."""


UNLIMITED: Final = _Unlimited()


@dataclass(slots=True)
class _Money:
    """A budget as it concerns some principals. `holding` is of the window that runs."""

    rule: BudgetRule
    subject: str
    holding: Holding
    window: str


class _Reserved:
    """What one request has of its limits."""

    __slots__ = (
        "_gate",
        "_money",
        "_open",
        "_parts",
        "_slots",
        "leased",
        "output_limit",
        "reserved_nano",
    )

    def __init__(self, gate: "LeaseGate") -> None:
        self._gate = gate
        self._open = True
        self._parts: list[Part] = []
        self._slots: list[Holding] = []
        self._money: list[Holding] = []
        self.output_limit: int | None = None
        self.reserved_nano = 0
        self.leased: list[list[str]] = []

    @property
    def window(self) -> int:
        """Which minute it counts in, of its first limit per minute."""
        return self._parts[0].window if self._parts else -1

    def settle(self, *, tokens: int, cost_nano: int) -> None:
        """It was sent: a request is a request, tokens and money are what was used."""
        self._end(requests=1, tokens=tokens, nano=cost_nano)

    def release(self) -> None:
        """Nothing was sent: the next request may have it."""
        self._end(requests=0, tokens=0, nano=0)

    def _end(self, *, requests: int, tokens: int, nano: int) -> None:
        if not self._open:
            return
        self._open = False
        for part in self._parts:
            part.settle(requests if part.lease.key.kind == "requests" else tokens)
        holdings = self._gate.holdings
        for slot in self._slots:
            holdings.put_back(slot, 1)
        for money in self._money:
            holdings.put_back(money, self.reserved_nano - nano)


@dataclass(slots=True)
class _Short:
    """What a request lacks: its lease, and how much of it."""

    of: "Lease | Holding | _Money"
    amount: int


@dataclass(slots=True, kw_only=True)
class _Applicable:
    """The limits that concern some principals, with what this process holds of them."""

    requests: tuple[Lease, ...] = ()
    tokens: tuple[Lease, ...] = ()
    slots: tuple[tuple[Holding, str], ...] = ()  # with whose it is
    money: tuple[_Money, ...] = ()
    budgets: tuple[tuple[BudgetRule, str], ...] = ()  # soft ones, too

    @property
    def nothing(self) -> bool:
        return not (self.requests or self.tokens or self.slots or self.money)


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
        self._limits = NO_LIMITS
        self._known: dict[object, _Applicable] = {}
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
        applicable = self._applicable(principal, limits)
        if not applicable.budgets:
            return ALL_WELL
        return self._state_of(applicable)

    @override
    def reserve(self, ask: Ask) -> Reservation | Refusal | None:
        applicable = self._applicable_to(ask)
        if applicable.nothing:
            return UNLIMITED
        got = self._attempt(applicable, ask)
        return None if isinstance(got, _Short) else got

    @override
    async def renew(self, ask: Ask) -> Reservation | Refusal:
        applicable = self._applicable_to(ask)
        if applicable.nothing:
            return UNLIMITED
        kinds = len(applicable.requests) + len(applicable.tokens) + len(applicable.slots)
        last: _Short | None = None
        # Twice each, for a window that ended while others were fetched.
        for _ in range(2 * (kinds + len(applicable.money)) + 1):
            got = self._attempt(applicable, ask)
            if not isinstance(got, _Short):
                return got
            last = got
            await self._fetch(got)
        return _out_of_reach(last)

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

    # --- reserving, without I/O -----------------------------------------------------------

    def _attempt(self, applicable: _Applicable, ask: Ask) -> "_Reserved | Refusal | _Short":
        """Everything, or nothing and what stood in the way."""
        reserved = _Reserved(self)
        problem = self._take_rates(reserved, applicable, ask)
        if problem is None and applicable.money:
            problem = self._take_money(reserved, applicable, ask)
        if problem is None:
            return reserved
        reserved.release()
        return problem

    def _take_rates(
        self, reserved: _Reserved, applicable: _Applicable, ask: Ask
    ) -> "Refusal | _Short | None":
        for leases, amount in ((applicable.requests, 1), (applicable.tokens, ask.tokens)):
            for lease in leases:
                # What is larger than the limit takes a whole minute, and the debt is settled.
                wanted = min(amount, max(1, lease.limit))
                got = self.minutes.take(lease, wanted)
                if got is None:
                    return _Short(lease, wanted)
                if isinstance(got, Refusal):
                    return got
                reserved._parts.append(got)
        for slot, whose in applicable.slots:
            if self.holdings.usable(slot) < 1:
                if not self._believed(slot):
                    return _Short(slot, 1)
                self._heal(slot, None)
                return _too_many(slot, whose)
            self.holdings.take(slot, 1)
            reserved._slots.append(slot)
        return None

    def _take_money(
        self, reserved: _Reserved, applicable: _Applicable, ask: Ask
    ) -> "Refusal | _Short | None":
        if not ask.prices or all(price is not None and price.is_free for price in ask.prices):
            return None
        if None in ask.prices:
            return _unpriced(applicable.money)
        prices = [price for price in ask.prices if price is not None]
        wanted = DEFAULT_OUTPUT_TOKENS if ask.output_limit is None else ask.output_limit
        limit = wanted
        for money in applicable.money:
            usable = self.holdings.usable(money.holding)
            if usable >= _bound(prices, ask, wanted):
                continue
            if not self._believed(money.holding):
                return _Short(money, _bound(prices, ask, wanted))
            limit = min(limit, _affordable(prices, ask, usable))
            if limit < min(wanted, LEAST_OUTPUT_TOKENS):
                return self._spent(money)
        need = _bound(prices, ask, limit)
        for money in applicable.money:
            self.holdings.take(money.holding, need)
            reserved._money.append(money.holding)
            reserved.leased.append([str(money.rule.id), money.subject, money.window])
        reserved.reserved_nano = need
        reserved.output_limit = limit
        return None

    def _believed(self, holding: Holding) -> bool:
        """Whether the store just said that it has no more, or could not be asked."""
        now = self._clock()
        return now < holding.refused_until or now < holding.unknown_until

    def _spent(self, money: _Money) -> Refusal:
        now = self._clock()
        holding, rule = money.holding, money.rule
        if now < holding.unknown_until and now >= holding.refused_until:
            return Refusal(
                code="rate_limited",
                message=f"The store of budgets is unreachable and this process's lease on the "
                f"budget {rule.name} is used up; try again.",
                retry_after_s=1,
            )
        holding.exhausted_until = now + _EXHAUSTED_FOR_S
        self._heal(holding, money)
        return Refusal(
            code="budget_exceeded",
            message=f"The budget {rule.name} ({_of(rule)}, per {rule.period.value}) is used up."
            if rule.period.value != "total"
            else f"The budget {rule.name} ({_of(rule)}) is used up.",
            stay_on_prem=rule.at_end is AtEnd.ON_PREM,
        )

    def _state_of(self, applicable: _Applicable) -> BudgetState:
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

    # --- which limits ------------------------------------------------------------------------

    def _applicable_to(self, ask: Ask) -> _Applicable:
        if ask.deployment:
            return self._of_deployment(ask.deployment, ask.limits)
        return self._applicable(ask.principal, ask.limits)

    def _applicable(self, principal: Spender, limits: Limits) -> _Applicable:
        self._mind(limits)
        key = (principal.key_id, principal.actor, principal.project, principal.on_behalf_of,
               principal.requests_per_minute)  # fmt: skip
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._work_out(principal, limits)
        elif known.money:
            self._turn(known)
        return known

    def _of_deployment(self, name: str, limits: Limits) -> _Applicable:
        self._mind(limits)
        known = self._known.get(name)
        if known is None:
            rates = limits.deployments.get(name)
            known = self._known[name] = self._rates([(f"deployment:{name}", rates, name)])
        return known

    def _mind(self, limits: Limits) -> None:
        if limits is not self._limits or len(self._known) > _MAX_REMEMBERED:
            self._limits = limits
            self._known.clear()

    def _work_out(self, principal: Spender, limits: Limits) -> _Applicable:
        key = principal.key_id or principal.actor
        own = limits.keys.get(principal.key_id, Rates())
        found = self._rates(
            [
                (key, Rates(requests_per_minute=principal.requests_per_minute), "This key"),
                (key, own, "This key"),
                (
                    f"project:{principal.project}",
                    limits.projects.get(principal.project),
                    f"The project {principal.project}",
                ),
            ]
        )
        concerned = [(rule, rule.subject_for(principal)) for rule in limits.budgets]
        budgets = tuple((rule, subject) for rule, subject in concerned if subject is not None)
        return _Applicable(
            requests=found.requests,
            tokens=found.tokens,
            slots=found.slots,
            money=tuple(self._money(rule, subject) for rule, subject in budgets if rule.hard),
            budgets=budgets,
        )

    def _rates(self, limited: Sequence[tuple[str, Rates | None, str]]) -> _Applicable:
        requests: list[Lease] = []
        tokens: list[Lease] = []
        slots: list[tuple[Holding, str]] = []
        for subject, rates, whose in limited:
            if rates is None:
                continue
            for kind, limit, leases in (
                ("requests", rates.requests_per_minute, requests),
                ("tokens", rates.tokens_per_minute, tokens),
            ):
                if limit is not None:
                    leases.append(self.minutes.lease_of(kind, subject, limit=limit, whose=whose))
            if rates.concurrency is not None:
                keep = rates.concurrency // CHUNKS_PER_WINDOW
                held = Held(
                    name=f"sluice:slots:{{{subject}}}", needs_base=False, keep_s=_SLOT_KEPT_S
                )
                holding = self.holdings.holding_of(
                    held, limit=rates.concurrency, chunk=max(1, keep), keep=keep
                )
                slots.append((holding, whose))
        return _Applicable(requests=tuple(requests), tokens=tuple(tokens), slots=tuple(slots))

    def _money(self, rule: BudgetRule, subject: str) -> _Money:
        at = datetime.fromtimestamp(self._wall(), UTC)
        window = window_at(rule.period, at)
        held = Held(
            name=f"sluice:money:{{{rule.id}:{subject}:{window.name}}}",
            needs_base=True,
            keep_s=0
            if window.ends_at is None
            else int((window.ends_at - at).total_seconds()) + _KEPT_AFTER_WINDOW_S,
        )
        chunk = max(1, rule.amount_nano // CHUNKS_PER_WINDOW)
        holding = self.holdings.holding_of(
            held,
            limit=rule.amount_nano,
            chunk=chunk,
            keep=chunk,
            ends_at=float("inf") if window.ends_at is None else window.ends_at.timestamp(),
        )
        return _Money(rule, subject, holding, window.name)

    def _turn(self, applicable: _Applicable) -> None:
        """Where a budget's window ended, go on in the next one."""
        now = self._wall()
        if all(now < money.holding.ends_at for money in applicable.money):
            return
        applicable.money = tuple(
            money if now < money.holding.ends_at else self._money(money.rule, money.subject)
            for money in applicable.money
        )

    # --- asking the store ----------------------------------------------------------------------

    async def _fetch(self, short: _Short) -> None:
        of = short.of
        if isinstance(of, Lease):
            await self.minutes.fetch(of, short.amount)
        elif isinstance(of, Holding):
            await self.holdings.fetch(of, short.amount)
        else:
            await self.holdings.fetch(of.holding, short.amount, lambda: self._establish(of))

    async def _establish(self, money: _Money) -> bool:
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

    def _heal(self, holding: Holding, money: _Money | None) -> None:
        """Look, in the background, for what dead processes hold of what ran out."""
        if self._ledger is None or not self.holdings.wants_healing(holding):
            return
        task = asyncio.get_running_loop().create_task(self._healed(holding, money))
        self._healing.add(task)
        task.add_done_callback(self._healing.discard)

    async def _healed(self, holding: Holding, money: _Money | None) -> None:
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


def _bound(prices: Sequence[Price], ask: Ask, limit: int) -> int:
    tokens = limit * ask.choices
    return max(
        price.bound_nano(prompt_tokens=ask.prompt_bound, completion_tokens=tokens)
        for price in prices
    )


def _affordable(prices: Sequence[Price], ask: Ask, nano: int) -> int:
    """Output tokens of each choice that so much money pays for at every price."""
    return min(
        price.affordable_tokens(nano, prompt_tokens=ask.prompt_bound) // ask.choices
        for price in prices
    )


def _of(rule: BudgetRule) -> str:
    return {"organisation": "the organisation's", "project": "the project's"}.get(
        rule.scope.value, f"one {rule.scope.value}'s"
    )


def _unpriced(money: Sequence[_Money]) -> Refusal:
    rule = money[0].rule
    return Refusal(
        code="budget_exceeded",
        message=f"The budget {rule.name} is hard, and no price is known of a deployment that would "
        "serve this. An admin can set one.",
        stay_on_prem=all(each.rule.at_end is AtEnd.ON_PREM for each in money),
    )


def _too_many(slot: Holding, whose: str) -> Refusal:
    return Refusal(
        code="rate_limited",
        message=f"{whose} may have {slot.limit} requests under way at once, and has them.",
        retry_after_s=1,
    )


def _out_of_reach(short: _Short | None) -> Refusal:
    del short
    return Refusal(
        code="rate_limited",
        message="The limits of this request could not be settled in time; try again.",
        retry_after_s=1,
    )
