"""What was used and what it cost, summed for pages, files and the admin API.

Sums come from `UsageDay`, which is indexed by what is asked for; a year of a large installation
is some hundred thousand rows, however many requests it had.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Sum

from gateway.accounts.access import projects_of
from gateway.accounts.acting import Acting, System, actor_name
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event
from gateway.inference.prices import usd
from gateway.usage.models import UsageDay, UsageRecord


class By(StrEnum):
    """What usage can be summed by."""

    DAY = "day"
    PROJECT = "project"
    PERSON = "person"
    KEY = "key"
    MODEL = "model"  # the alias that was asked for
    DEPLOYMENT = "deployment"
    ZONE = "zone"
    CHANNEL = "channel"


_COLUMNS: Final = {By.KEY: "key_prefix", By.MODEL: "alias"}
_SUMS: Final = (
    *("requests", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_nano"),
    *("estimated", "unpriced"),
)
MOST_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which usage, and how it is summed. Days are UTC, both included; empty filters take all."""

    first: date
    last: date
    by: tuple[By, ...] = (By.DAY,)
    project: str = ""
    person: str = ""  # "user:<uuid>" or "service_account:<uuid>"
    key: str = ""  # its prefix
    model: str = ""
    deployment: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sum. `names` are in the order of the question's `by`."""

    names: tuple[str, ...]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_usd: Decimal
    estimated: int
    unpriced: int


def report(by: Acting, question: Question) -> list[Line]:
    """The sums, dearest first (by day: in the order of time). One query; 10,000 lines at most.

    Who administers or audits sees all; who owns, edits or audits a project sees it; everybody
    sees their own. Raises PermissionDenied for a project they may not see at all.
    """
    columns = [_COLUMNS.get(each, each.value) for each in question.by]
    rows = visible(by, question)
    if not columns:
        return [total(by, question)]
    sums = {f"sum_{name}": Sum(name) for name in _SUMS}
    order = columns if By.DAY in question.by else ["-sum_cost_nano", *columns]
    grouped: Any = rows.values(*columns).annotate(**sums).order_by(*order)[:MOST_ROWS]
    return [_line(row, columns) for row in grouped]


def total(by: Acting, question: Question) -> Line:
    """Everything that the question covers, in one line. One query."""
    rows = visible(by, question)
    return _line(rows.aggregate(**{f"sum_{name}": Sum(name) for name in _SUMS}), [])


def _line(row: dict[str, Any], columns: Sequence[str]) -> Line:
    return Line(
        names=tuple(str(row[name]) for name in columns),
        requests=row["sum_requests"] or 0,
        prompt_tokens=row["sum_prompt_tokens"] or 0,
        completion_tokens=row["sum_completion_tokens"] or 0,
        cached_tokens=row["sum_cached_tokens"] or 0,
        cost_usd=usd(row["sum_cost_nano"] or 0),
        estimated=row["sum_estimated"] or 0,
        unpriced=row["sum_unpriced"] or 0,
    )


def visible(by: Acting, question: Question) -> QuerySet[UsageDay]:
    """The rows of the question that `by` may see. Raises PermissionDenied."""
    rows = UsageDay.objects.filter(day__gte=question.first, day__lte=question.last)
    for name, value in (
        ("project", question.project),
        ("person", question.person),
        ("key_prefix", question.key),
        ("alias", question.model),
        ("deployment", question.deployment),
        ("zone", question.zone),
    ):
        if value:
            rows = rows.filter(**{name: value})
    if sees_everything(by):
        return rows
    slugs = set(overseen(by).values_list("slug", flat=True))
    own = actor_name(by)
    if question.project and question.project not in slugs:
        if not projects_of(_person(by)).filter(slug=question.project).exists():
            raise PermissionDenied("You do not belong to this project.")
        return rows.filter(person=own)
    if question.project:
        return rows
    return rows.filter(project__in=slugs) | rows.filter(person=own)


def sees_everything(by: Acting) -> bool:
    """Whether `by` sees every project's usage: admins and the organisation's auditors."""
    return isinstance(by, System) or (
        by.is_active and by.organisation_role in {OrganisationRole.ADMIN, OrganisationRole.AUDITOR}
    )


def overseen(by: Acting) -> QuerySet[Project]:
    """The projects whose whole usage `by` may see: those they edit or audit."""
    person = _person(by)
    return projects_of(person, Role.EDITOR) | projects_of(person, Role.AUDITOR)


def _person(by: Acting) -> User:
    if not isinstance(by, User):
        raise PermissionDenied("Only people have projects.")
    return by


def receipt_of(by: Acting, decision_id: str) -> UsageRecord | None:
    """The record of one request that `by` may see; None when there is none, or none of theirs."""
    record = UsageRecord.objects.filter(pk=decision_id).first()
    if record is None or sees_everything(by):
        return record
    if record.person == actor_name(by) or overseen(by).filter(slug=record.project).exists():
        return record
    return None


def exported(by: Acting, question: Question) -> Iterator[str]:
    """The lines as a CSV file; that they were handed out is an event. Raises PermissionDenied."""
    lines = report(by, question)
    record_event(
        actor=actor_name(by),
        type=EventType.USAGE_EXPORTED,
        object_type="usage",
        object_id=question.project or "all",
        project=question.project,
        details={
            "by": [each.value for each in question.by],
            "first": question.first.isoformat(),
            "last": question.last.isoformat(),
            "rows": len(lines),
        },
    )
    return as_csv(question, lines)


def as_csv(question: Question, lines: Sequence[Line]) -> Iterator[str]:
    """The lines as a CSV file, header first. What a spreadsheet would run as a formula is
    quoted with an apostrophe."""
    yield _csv([*(each.value for each in question.by), *_HEADER])
    for line in lines:
        yield _csv(
            [
                *(_harmless(name) for name in line.names),
                line.requests,
                line.prompt_tokens,
                line.completion_tokens,
                line.cached_tokens,
                format(line.cost_usd, "f"),
                line.estimated,
                line.unpriced,
            ]
        )


_HEADER: Final = (
    *("requests", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"),
    *("estimated_requests", "unpriced_requests"),
)


def _harmless(name: str) -> str:
    return f"'{name}" if name[:1] in {"=", "+", "-", "@", "\t", "\r"} else name


def _csv(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
