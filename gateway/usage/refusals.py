"""What is said to whom a limit refuses. Each names whose limit it is and what may be done."""

from collections.abc import Sequence

from gateway.inference.contracts import Refusal
from gateway.inference.limits import AtEnd, BudgetRule, Period


def spent(rule: BudgetRule) -> Refusal:
    """A budget has nothing left."""
    per = "" if rule.period is Period.TOTAL else f", per {rule.period.value}"
    return Refusal(
        code="budget_exceeded",
        message=f"The budget {rule.name} ({_of(rule)}{per}) is used up.",
        stay_on_prem=rule.at_end is AtEnd.ON_PREM,
    )


def out_of_sight(rule: BudgetRule) -> Refusal:
    """What is left of a budget cannot be asked for."""
    return Refusal(
        code="rate_limited",
        message=f"The store of budgets is unreachable and this process's lease on the "
        f"budget {rule.name} is used up; try again.",
        retry_after_s=1,
    )


def unpriced(rules: Sequence[BudgetRule]) -> Refusal:
    """Nobody knows what it would cost."""
    return Refusal(
        code="budget_exceeded",
        message=f"The budget {rules[0].name} is hard, and no price is known of a deployment that "
        "would serve this. An admin can set one.",
        stay_on_prem=all(rule.at_end is AtEnd.ON_PREM for rule in rules),
    )


def too_many(limit: int, whose: str) -> Refusal:
    """As many are under way as may be."""
    return Refusal(
        code="rate_limited",
        message=f"{whose} may have {limit} requests under way at once, and has them.",
        retry_after_s=1,
    )


def out_of_reach() -> Refusal:
    """Leases were fetched, and others took them each time."""
    return Refusal(
        code="rate_limited",
        message="The limits of this request could not be settled in time; try again.",
        retry_after_s=1,
    )


def _of(rule: BudgetRule) -> str:
    return {"organisation": "the organisation's", "project": "the project's"}.get(
        rule.scope.value, f"one {rule.scope.value}'s"
    )
