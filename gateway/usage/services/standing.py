"""The budgets that somebody may see, and how they stand for whom they may see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.accounts.access import NoSuchProject, may, require
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.usage.models import Budget
from gateway.usage.services.alerts import Standing, standings
from gateway.usage.services.budgets import budgets_of
from gateway.usage.services.reports import overseen, sees_everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Stands:
    """A budget with those of its standings that may be seen."""

    budget: Budget
    standings: Sequence[Standing]


def budgets_seen(by: User, project: Project | None) -> list[Stands]:
    """The budgets of a project, or (None) the organisation's. One to two queries a budget.

    Members see their project's budgets, and of what members spent their own; who oversees the
    project sees all. Raises NoSuchProject, PermissionDenied.
    """
    if project is None:
        if not sees_everything(by):
            raise NoSuchProject("No such project.")
    elif not sees_everything(by) and not may(by, project, Role.AUDITOR):
        require(by, project, Role.MEMBER)
    rows = list(budgets_of(project))
    found: dict[int, list[Standing]] = {row.pk: [] for row in rows}
    all_of_them = project is None or oversees(by, project)
    for standing in standings(rows):
        if all_of_them or _is_theirs(by, standing.subject):
            found[standing.budget.pk].append(standing)
    return [Stands(budget=row, standings=found[row.pk]) for row in rows]


def oversees(by: User, project: Project) -> bool:
    """Whether `by` sees what other members of the project spent."""
    return sees_everything(by) or overseen(by).filter(pk=project.pk).exists()


def _is_theirs(by: User, subject: str) -> bool:
    """What names nobody is everybody's; a person's is their own."""
    return not subject.startswith(("user:", "service_account:")) or subject == f"user:{by.pk}"


def may_set(by: User, project: Project | None) -> Mapping[str, bool]:
    """Whether `by` may set budgets there at all, and `strict`: hard ones of the whole project."""
    owner = by.is_admin if project is None else may(by, project, Role.OWNER)
    return {"any": owner, "strict": by.is_admin}
