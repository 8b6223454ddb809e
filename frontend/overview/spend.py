"""What was spent this month, and how the budgets stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from frontend.money.amounts import dollars
from gateway.accounts.models import Project, User
from gateway.inference.limits import Scope
from gateway.inference.prices import usd
from gateway.usage.models import Budget
from gateway.usage.services.alerts import standings
from gateway.usage.services.budgets import budgets_of
from gateway.usage.services.reports import By, Question, report, sees_everything, total

MOST_PROJECTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A line: what was spent, and of how much. `of` empty: there is no budget."""

    name: str
    cost: str
    of: str
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """The month of a day."""

    month: date
    whole: Spent
    projects: Sequence[Spent]
    unpriced: int  # requests whose price is not known


def spend_of(user: User, project: Project | None, day: date) -> Spend:
    """Of one project or of all that the person sees: about six queries."""
    first = day.replace(day=1)
    slug = project.slug if project is not None else ""
    sums = total(user, Question(first=first, last=day, by=(), project=slug))
    whole = _standing(budgets_of(project), Scope.PROJECT if project else Scope.ORGANISATION)
    if project is None and not sees_everything(user):
        whole = None
    lines = []
    if project is None:
        question = Question(first=first, last=day, by=(By.PROJECT,))
        dearest = [line for line in report(user, question) if line.cost_usd][:MOST_PROJECTS]
        names = dict(
            Project.objects.filter(slug__in=[line.names[0] for line in dearest]).values_list(
                "slug", "name"
            )
        )
        most = max((line.cost_usd for line in dearest), default=Decimal(1))
        lines = [
            Spent(
                name=names.get(line.names[0], line.names[0]),
                cost=dollars(line.cost_usd),
                of="",
                percent=int(100 * line.cost_usd / most),
            )
            for line in dearest
        ]
    return Spend(
        month=first,
        whole=Spent(
            name="",
            cost=dollars(sums.cost_usd),
            of=dollars(whole[0]) if whole else "",
            percent=whole[1] if whole else 0,
        ),
        projects=lines,
        unpriced=sums.unpriced,
    )


def _standing(budgets: Iterable[Budget], scope: Scope) -> tuple[Decimal, int] | None:
    """The amount of the first monthly budget of the whole, and how much of it is spent."""
    rows = [each for each in budgets if each.scope == scope.value and each.period == "month"]
    for standing in standings(rows[:1]):
        return usd(standing.budget.amount_nano), min(standing.percent, 100)
    return None
