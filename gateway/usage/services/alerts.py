"""Budgets that reach a part of their amount: found, recorded once a period, and told.

A task looks at what the database says was spent. INVARIANT: a threshold is recorded once for each
subject and window (a constraint), in the transaction of its event; telling it is at least once.
What is told names the budget, its amounts and whom it is for by id: nothing that anybody wrote.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils import timezone

from gateway.accounts.acting import System
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import APIKey, Project
from gateway.audit.event_types import EventType
from gateway.inference.limits import BudgetRule, Scope, window_at
from gateway.inference.prices import usd
from gateway.usage.models import Budget, BudgetAlert
from gateway.usage.rebuilding import rule_of, usage_of

log = logging.getLogger(__name__)

THRESHOLDS: Final = (50, 80, 100)
_SUBJECTS: Final = {Scope.MEMBER: "person", Scope.KEY: "key_prefix"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one subject of a budget stands in the window that runs."""

    budget: Budget
    subject: str  # as leases name it: a scope's word, a person, a key's id
    window: str
    spent_nano: int

    @property
    def percent(self) -> int:
        """How much of the amount is spent, rounded down; may exceed 100."""
        return self.spent_nano * 100 // self.budget.amount_nano


def standings(
    budgets: Iterable[Budget] | None = None, *, now: datetime | None = None
) -> Iterator[Standing]:
    """How budgets stand, each subject that spent anything. One to two queries a budget."""
    now = now or timezone.now()
    if budgets is None:
        budgets = Budget.objects.select_related("project")
    for budget in budgets:
        rule = rule_of(budget)
        window = window_at(rule.period, now).name
        for subject, nano in _spent(rule, window):
            yield Standing(budget=budget, subject=subject, window=window, spent_nano=nano)


def _spent(rule: BudgetRule, window: str) -> list[tuple[str, int]]:
    column = _SUBJECTS.get(rule.scope)
    days = usage_of(rule, None, window)
    if column is None:
        nano = days.aggregate(nano=Sum("cost_nano"))["nano"]
        return [(rule.scope.value, nano or 0)]
    rows = days.exclude(**{column: ""}).values_list(column).annotate(nano=Sum("cost_nano"))
    found = {subject: nano for subject, nano in rows.order_by(column)}
    if rule.scope is Scope.KEY:
        keys = APIKey.objects.filter(prefix__in=found)
        found = {str(pk): found[prefix] for pk, prefix in keys.values_list("pk", "prefix")}
    wanted = rule.person or rule.key
    return [(name, nano) for name, nano in found.items() if not wanted or name == wanted]


def find_reached(*, now: datetime | None = None) -> list[BudgetAlert]:
    """Record every threshold that was crossed since the last look. Idempotent."""
    told: defaultdict[tuple[int, str, str], int] = defaultdict(int)
    for budget, subject, window, percent in BudgetAlert.objects.values_list(
        "budget_id", "subject", "window", "percent"
    ):
        key = (budget, subject, window)
        told[key] = max(told[key], percent)
    found: list[BudgetAlert] = []
    for standing in list(standings(now=now)):
        known = told[standing.budget.pk, standing.subject, standing.window]
        for threshold in THRESHOLDS:
            if known < threshold <= standing.percent:
                alert = _record(standing, threshold)
                if alert is not None:
                    found.append(alert)
    return found


def _record(standing: Standing, percent: int) -> BudgetAlert | None:
    budget = standing.budget
    project: Project | None = budget.project
    try:
        with changing():
            with transaction.atomic():
                alert = BudgetAlert.objects.create(
                    budget=budget,
                    subject=standing.subject,
                    window=standing.window,
                    percent=percent,
                    spent_nano=standing.spent_nano,
                )
            # The snapshot follows: rules may ask how a budget stands.
            record_change(
                System("budgets"),
                EventType.BUDGET_REACHED,
                "budget",
                budget.pk,
                project=project.slug if project is not None else "",
                name=budget.name,
                subject=standing.subject,
                window=standing.window,
                percent=percent,
                spent_usd=format(usd(standing.spent_nano), "f"),
                amount_usd=format(budget.amount_usd, "f"),
            )
    except IntegrityError:
        return None  # another worker was first
    return alert
