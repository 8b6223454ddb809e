"""Budgets and limits as the request path sees them. About five queries.

The same object again while nothing in it changed, so that leases keep their place.
"""

from collections import defaultdict
from datetime import datetime

from gateway.inference.limits import BudgetRule, Limits, Period, Rates, window_at
from gateway.usage.models import Budget, BudgetAlert, RateLimit
from gateway.usage.rebuilding import rule_of


def read_limits(before: Limits, now: datetime) -> Limits:
    """All limits, with what budgets reached in the windows of `now`; `before` where nothing in
    them differs."""
    projects: dict[str, Rates] = {}
    keys: dict[str, Rates] = {}
    deployments: dict[str, Rates] = {}
    for row in RateLimit.objects.select_related("project", "deployment"):
        rates = Rates(
            requests_per_minute=row.requests_per_minute,
            tokens_per_minute=row.tokens_per_minute,
            concurrency=row.concurrency,
        )
        if row.project is not None:
            projects[row.project.slug] = rates
        elif row.deployment is not None:
            deployments[row.deployment.name] = rates
        else:
            keys[str(row.key_id)] = rates
    found = Limits(budgets=budget_rules(now), projects=projects, keys=keys, deployments=deployments)
    return before if found == before else found


def budget_rules(now: datetime) -> tuple[BudgetRule, ...]:
    """Every budget, with what it reached in the window that runs. Two queries."""
    rows = list(Budget.objects.select_related("project").order_by("pk"))
    windows = {row.pk: window_at(Period(row.period), now).name for row in rows}
    reached: defaultdict[int, dict[tuple[str, str], int]] = defaultdict(dict)
    alerts = BudgetAlert.objects.filter(window__in=set(windows.values())).order_by("percent")
    for budget, subject, window, percent in alerts.values_list(
        "budget_id", "subject", "window", "percent"
    ):
        if windows.get(budget) == window:
            reached[budget][subject, window] = percent
    return tuple(rule_of(row, reached.get(row.pk)) for row in rows)
