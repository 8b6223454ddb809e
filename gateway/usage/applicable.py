"""Which limits concern a principal, and what this process holds of each.

Worked out once for each principal and deployment, and kept until the limits change. Where a
budget's window ended, its next one takes its place. No I/O.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.inference.limits import (
    NO_LIMITS,
    Ask,
    BudgetRule,
    Limits,
    Rates,
    Spender,
    window_at,
)
from gateway.usage.holdings import Holding, Holdings
from gateway.usage.leases import CHUNKS_PER_WINDOW, Lease, MinuteLeases
from gateway.usage.store import Held

_KEPT_AFTER_WINDOW_S: Final = 3 * 86_400
_SLOT_KEPT_S: Final = 86_400
_MAX_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class Money:
    """A budget as it concerns some principals. `holding` is of the window that runs."""

    rule: BudgetRule
    subject: str
    holding: Holding
    window: str


@dataclass(slots=True, kw_only=True)
class Applicable:
    """The limits that concern some principals, with what this process holds of them."""

    requests: tuple[Lease, ...] = ()
    tokens: tuple[Lease, ...] = ()
    slots: tuple[tuple[Holding, str], ...] = ()  # with whose it is
    money: tuple[Money, ...] = ()
    budgets: tuple[tuple[BudgetRule, str], ...] = ()  # soft ones, too

    @property
    def nothing(self) -> bool:
        """Whether a request needs no reservation."""
        return not (self.requests or self.tokens or self.slots or self.money)


class ApplicableLimits:
    """The limits of all who asked, of one process."""

    def __init__(
        self, minutes: MinuteLeases, holdings: Holdings, *, wall: Callable[[], float]
    ) -> None:
        self._minutes, self._holdings, self._wall = minutes, holdings, wall
        self._limits = NO_LIMITS
        self._known: dict[object, Applicable] = {}

    def to(self, ask: Ask) -> Applicable:
        """Those of the deployment that a request asks to be sent to, else of who sends it."""
        if ask.deployment:
            return self._of_deployment(ask.deployment, ask.limits)
        return self.of(ask.principal, ask.limits)

    def of(self, principal: Spender, limits: Limits) -> Applicable:
        """Those of a principal, with its budgets in the windows that run."""
        self._mind(limits)
        key = (principal.key_id, principal.actor, principal.project, principal.on_behalf_of,
               principal.requests_per_minute)  # fmt: skip
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._work_out(principal, limits)
        elif known.money:
            self._turn(known)
        return known

    def _of_deployment(self, name: str, limits: Limits) -> Applicable:
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

    def _work_out(self, principal: Spender, limits: Limits) -> Applicable:
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
        return Applicable(
            requests=found.requests,
            tokens=found.tokens,
            slots=found.slots,
            money=tuple(self._money(rule, subject) for rule, subject in budgets if rule.hard),
            budgets=budgets,
        )

    def _rates(self, limited: Sequence[tuple[str, Rates | None, str]]) -> Applicable:
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
                    leases.append(self._minutes.lease_of(kind, subject, limit=limit, whose=whose))
            if rates.concurrency is not None:
                keep = rates.concurrency // CHUNKS_PER_WINDOW
                held = Held(
                    name=f"sluice:slots:{{{subject}}}", needs_base=False, keep_s=_SLOT_KEPT_S
                )
                holding = self._holdings.holding_of(
                    held, limit=rates.concurrency, chunk=max(1, keep), keep=keep
                )
                slots.append((holding, whose))
        return Applicable(requests=tuple(requests), tokens=tuple(tokens), slots=tuple(slots))

    def _money(self, rule: BudgetRule, subject: str) -> Money:
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
        holding = self._holdings.holding_of(
            held,
            limit=rule.amount_nano,
            chunk=chunk,
            keep=chunk,
            ends_at=float("inf") if window.ends_at is None else window.ends_at.timestamp(),
        )
        return Money(rule, subject, holding, window.name)

    def _turn(self, applicable: Applicable) -> None:
        """Where a budget's window ended, go on in the next one."""
        now = self._wall()
        if all(now < money.holding.ends_at for money in applicable.money):
            return
        applicable.money = tuple(
            money if now < money.holding.ends_at else self._money(money.rule, money.subject)
            for money in applicable.money
        )
