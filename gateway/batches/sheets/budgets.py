"""What is left of the budgets that a sheet's rows would be paid from.

Told to whoever made the sheet alone: rows are sent in their name, and what a person has left is
nobody else's business. The organisation's own amounts are for those who oversee its usage; others
read whether it is enough.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils import timezone

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.batches.sheets.models import Sheet, SheetStatus
from gateway.batches.sheets.problems import SheetState
from gateway.batches.sheets.who import principal_of
from gateway.inference.limits import AtEnd, Scope, window_at
from gateway.inference.prices import nano_of, usd
from gateway.usage.models import Budget
from gateway.usage.rebuilding import rule_of, spent_nano
from gateway.usage.services.reports import sees_everything

_BEFORE_A_RUN = frozenset({SheetStatus.READY, SheetStatus.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLeft:
    """One budget. `left_usd` None: not for this reader. `enough`: for the estimate's highest cost;
    None where nobody knows that."""

    name: str
    scope: Scope
    period: str
    hard: bool
    at_end: AtEnd
    left_usd: Decimal | None
    enough: bool | None

    def as_data(self) -> dict[str, Any]:
        """For `/api`."""
        return {
            "name": self.name,
            "scope": self.scope.value,
            "period": self.period,
            "hard": self.hard,
            "at_end": self.at_end.value,
            "left_usd": None if self.left_usd is None else f"{self.left_usd:f}",
            "enough": self.enough,
        }


def budgets_left(by: User, sheet: Sheet, *, now: datetime | None = None) -> list[BudgetLeft]:
    """The least that is left first. Empty for others than who made the sheet, and while there is
    nothing to decide: before the estimate, while it runs, and when it has ended."""
    if sheet.actor != actor_name(by) or sheet.estimate is None or sheet.status not in _BEFORE_A_RUN:
        return []
    found = sorted(_left(sheet, now or timezone.now()), key=lambda each: each[1])
    oversees = sees_everything(by)
    most = _most_nano(sheet.estimate)
    return [
        BudgetLeft(
            name=budget.name,
            scope=Scope(budget.scope),
            period=budget.period,
            hard=budget.hard,
            at_end=AtEnd(budget.at_end),
            left_usd=usd(left) if oversees or budget.scope != Scope.ORGANISATION else None,
            enough=None if most is None else most <= left,
        )
        for budget, left in found
    ]


def _left(sheet: Sheet, now: datetime) -> Iterator[tuple[Budget, int]]:
    try:
        principal = principal_of(sheet)
    except SheetState:
        return
    concerned = Budget.objects.filter(Q(project=None) | Q(project=sheet.project))
    for budget in concerned.select_related("project"):
        rule = rule_of(budget)
        subject = rule.subject_for(principal)
        if subject is not None:
            spent = spent_nano(rule, subject, window_at(rule.period, now).name)
            yield budget, max(0, rule.amount_nano - spent)


def _most_nano(estimate: dict[str, Any]) -> int | None:
    cost = estimate["cost_usd"]
    return None if cost is None else nano_of(Decimal(cost["most"]))
