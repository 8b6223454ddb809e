"""What left the house for a project since a date: one question, one answer.

Counts attempts, not answers: a request that a cloud vendor failed on was sent there all the same.
What nobody can know (the process died before it wrote the outcome, or the request is still under
way) is counted apart and never passed over.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Final, TypeVar

from django.db.models import Q, QuerySet

from gateway.audit.models import OutcomeState, RequestRecord
from gateway.audit.pages import in_pages
from gateway.audit.sealing_models import CommittedDecision
from gateway.audit.strict import not_loaded

_Row = TypeVar("_Row", RequestRecord, CommittedDecision)
ON_PREM: Final = "on_prem"
ALLOWED: Final = "allowed"
# Attempts that failed before anything of the request was written to a connection.
NOTHING_SENT: Final = frozenset(
    {"address_refused", "connect_failed", "forwards_elsewhere", "permit_violation"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One request that left, with every place outside of on_prem that it was sent to."""

    row: RequestRecord
    to: tuple[tuple[str, str, str], ...]  # (deployment, zone, "ok" or error code)
    masked: int  # findings that were replaced before it left


@dataclass(slots=True, kw_only=True)
class Left:
    """The answer. Counts are of requests; one that went to two places counts in both."""

    project: str
    since: datetime | None
    until: datetime | None
    requests: int = 0
    masked: int = 0  # requests of which something was replaced
    unmasked: int = 0
    unknown: int = 0  # allowed, and how they ended is not known: they may have left
    zones: Counter[str] = field(default_factory=Counter)
    deployments: Counter[str] = field(default_factory=Counter)
    vendors: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    sensitivities: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)  # findings, not requests


def what_left(
    project: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    vendors: Mapping[str, str] | None = None,
) -> Left:
    """Sum up everything that `sendings` gives. `vendors`: of deployments, by name."""
    answer = Left(project=project, since=since, until=until)
    for sending in sendings(project, since=since, until=until):
        row = sending.row
        names = {name for name, _, _ in sending.to}
        answer.requests += 1
        answer.masked += bool(sending.masked)
        answer.unmasked += not sending.masked
        answer.zones.update({zone for _, zone, _ in sending.to})
        answer.deployments.update(names)
        answer.vendors.update({(vendors or {}).get(name, "") or "unknown" for name in names})
        answer.categories.update(row.categories or ["none"])
        answer.sensitivities[row.sensitivity] += 1
        answer.classes.update(row.classes)
    answer.unknown = (
        _rows(project, since, until)
        .filter(decision=ALLOWED)
        .exclude(outcome_state=OutcomeState.KNOWN)
        .count()
    ) + _within(not_loaded().filter(project=project), since, until).count()
    return answer


def sendings(
    project: str, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Sending]:
    """Every request of a project that was sent outside of on_prem, oldest first, in pages.

    The text of an outcome is looked at first, in the database: only those that name such a zone
    are brought here.
    """
    zones = Q(outcome_record__contains='"cloud"') | Q(outcome_record__contains='"private_cloud"')
    rows = _rows(project, since, until).filter(zones)
    for row in in_pages(rows, by="pk", key=attrgetter("pk")):
        to = tuple(
            (attempt[0], attempt[1], attempt[2])
            for attempt in row.attempts
            if attempt[1] != ON_PREM and attempt[2] not in NOTHING_SENT
        )
        if to:
            replaced = row.outcome.masked if row.outcome else 0
            yield Sending(row=row, to=to, masked=max(replaced, row.masked))


def _rows(project: str, since: datetime | None, until: datetime | None) -> QuerySet[RequestRecord]:
    return _within(RequestRecord.objects.filter(project=project), since, until)


def _within(
    rows: "QuerySet[_Row]", since: datetime | None, until: datetime | None
) -> "QuerySet[_Row]":
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    return rows
