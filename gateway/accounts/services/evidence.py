"""Who may look into the audit, and who decides how long it is kept.

The audit itself stands below accounts and knows nobody's rights; people come to it through here.
Each look and each change is an event.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404

from gateway.accounts.access import may, projects_of, require, require_admin
from gateway.accounts.acting import Acting, System, actor_name
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role, stand_ins_for
from gateway.audit.days import Day, day_between
from gateway.audit.event_types import EventType
from gateway.audit.export import ExportFormat, ExportKind, export_found
from gateway.audit.holds import NotKept, end_hold, place_hold
from gateway.audit.left import Left, what_left
from gateway.audit.models import AuditEvent, RequestRecord
from gateway.audit.retention import set_retention
from gateway.audit.sealing_models import HoldSubject
from gateway.audit.search import Page, Search, search
from gateway.audit.services import record_event


class NoSuchRequest(Http404):
    """There is no such decision for whoever asks."""


def search_requests(*, by: Acting, wanted: Search, after: str = "", limit: int = 50) -> Page:
    """A page of the requests that `by` may see: of the projects whose audit they read.

    Auditors and admins of the organisation see every project when none is named, archived ones
    included; others the projects that they own or audit. Raises PermissionDenied for a project of
    others, NoSuchPage. The first page is an event; it names the conditions, not their values.
    """
    if not _sees_all(by):
        wanted = replace(wanted, projects=_own_projects(by, wanted.projects))
    page = search(wanted, after=after, limit=limit)
    if not after:
        _record(
            by,
            "search",
            wanted.projects[0] if len(wanted.projects) == 1 else "",
            since=wanted.since,
            until=wanted.until,
            conditions=wanted.named(),
        )
    return page


def export_requests(*, by: Acting, wanted: Search, format: ExportFormat) -> Iterator[str]:
    """All requests that `search_requests` finds, newest first, a line each. Streams.

    Handing them out is an event. Raises PermissionDenied.
    """
    if not _sees_all(by):
        wanted = replace(wanted, projects=_own_projects(by, wanted.projects))
    project = wanted.projects[0] if len(wanted.projects) == 1 else ""
    _record_export(by, format, project, wanted)
    return export_found(wanted, format=format)


def see_request(*, by: Acting, decision_id: str) -> RequestRecord:
    """One request, by its decision. Raises NoSuchRequest when there is none that `by` may see."""
    row = RequestRecord.objects.filter(decision_id=decision_id).first()
    if row is None or not (_sees_all(by) or row.project in _audited(by)):
        raise NoSuchRequest("No such decision.")
    return row


def see_day(*, by: Acting, project: str = "", since: datetime, until: datetime) -> Day:
    """Sums of the requests between two times, of one project or of all that `by` may see.

    Numbers without rows, which pages show whenever they are opened: no event. Raises
    PermissionDenied as `search_requests`.
    """
    named: tuple[str, ...] = (project,) if project else ()
    if not _sees_all(by):
        named = _own_projects(by, named)
    return day_between(named or None, since, until)


def see_events(
    *,
    by: Acting,
    type: str = "",
    types: Sequence[str] = (),
    project: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[AuditEvent]:
    """Changes of the control plane, the newest first; `before`: a `seq`, exclusive. `types`: any
    of these.

    Auditors and admins of the organisation see all, others those of the projects they own or
    audit. Raises PermissionDenied for somebody who reads no audit. One query, two for the latter.
    """
    rows = AuditEvent.objects.all()
    if not _sees_all(by):
        rows = rows.filter(project__in=_own_projects(by, (project,) if project else ()))
    elif project:
        rows = rows.filter(project=project)
    if type:
        rows = rows.filter(type=type)
    if types:
        rows = rows.filter(type__in=types)
    if before is not None:
        rows = rows.filter(seq__lt=before)
    return list(rows.order_by("-seq")[:limit])


def audited_projects(by: Acting) -> list[Project]:
    """The projects whose audit `by` reads, by name; for the organisation's auditors every one."""
    if _sees_all(by):
        return list(Project.objects.order_by("name"))
    if isinstance(by, System):
        return []
    return list(projects_of(by, Role.AUDITOR).order_by("name"))


def left_the_house(
    *,
    by: Acting,
    project: Project,
    since: datetime | None = None,
    until: datetime | None = None,
    vendors: Mapping[str, str] | None = None,
) -> Left:
    """What of a project was sent outside of on_prem. `vendors`: of deployments, by name.

    Raises PermissionDenied unless `by` may read the project's audit. An event.
    """
    if not _sees_all(by):
        require(by, project, Role.AUDITOR)
    answer = what_left(project.slug, since=since, until=until, vendors=vendors)
    _record(by, "left", project.slug, since=since, until=until, conditions=[])
    return answer


def keep_for(*, by: Acting, kind: str, days: int | None) -> bool:
    """Keep a kind of data for so many days, or for ever (None). Admins. Raises ValidationError."""
    require_admin(by)
    with _said():
        return set_retention(actor=actor_name(by), kind=kind, days=days)


def hold(*, by: Acting, of: Project | User, reason: str) -> None:
    """Let nothing of a project or a person be pruned. Admins. Raises ValidationError."""
    require_admin(by)
    kind, subject = _subject(of)
    with _said():
        place_hold(actor=actor_name(by), kind=kind, subject=subject, reason=reason)


def release(*, by: Acting, of: Project | User, reason: str) -> None:
    """End a hold. Admins. Raises ValidationError."""
    require_admin(by)
    kind, subject = _subject(of)
    with _said():
        end_hold(actor=actor_name(by), kind=kind, subject=subject, reason=reason)


def _subject(of: Project | User) -> tuple[HoldSubject, str]:
    if isinstance(of, User):
        return HoldSubject.PERSON, actor_name(of)
    return HoldSubject.PROJECT, of.slug


@contextmanager
def _said() -> Iterator[None]:
    with transaction.atomic():
        try:
            yield
        except NotKept as error:
            raise ValidationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _sees_all(by: Acting) -> bool:
    if isinstance(by, System):
        return True
    return by.is_active and by.organisation_role in stand_ins_for(Role.AUDITOR)


def _audited(by: Acting) -> set[str]:
    return {project.slug for project in audited_projects(by)}


def only_audited(by: Acting, named: tuple[str, ...]) -> tuple[str, ...]:
    """The projects that a question of `by` is about; none: every one, for whoever sees all.

    Raises PermissionDenied for a project of others, and for somebody who reads no audit.
    """
    return named if _sees_all(by) else _own_projects(by, named)


def _own_projects(by: Acting, named: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(by, System):
        return named
    if not named:
        own = tuple(projects_of(by, Role.AUDITOR).values_list("slug", flat=True))
        if not own:
            raise PermissionDenied("This needs the role auditor in a project.")
        return own
    found = {project.slug: project for project in Project.objects.filter(slug__in=named)}
    for slug in named:
        if slug not in found or not may(by, found[slug], Role.AUDITOR):
            raise PermissionDenied("This needs the role auditor in the project.")
    return named


def _record_export(by: Acting, format: ExportFormat, project: str, wanted: Search) -> None:
    """As for a search: the conditions by name, not their values."""
    kind = ExportKind.REQUESTS.value
    record_event(
        actor=actor_name(by),
        type=EventType.AUDIT_EXPORTED,
        object_type="audit",
        object_id=kind,
        project=project,
        details={
            "format": format.value,
            "kind": kind,
            "since": wanted.since.isoformat() if wanted.since else None,
            "until": wanted.until.isoformat() if wanted.until else None,
            "project": project,
            "conditions": wanted.named(),
        },
    )


def _record(
    by: Acting,
    question: str,
    project: str,
    *,
    since: datetime | None,
    until: datetime | None,
    conditions: list[str],
) -> None:
    record_event(
        actor=actor_name(by),
        type=EventType.AUDIT_SEARCHED,
        object_type="audit",
        object_id=question,
        project=project,
        details={
            "question": question,
            "project": project,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "conditions": conditions,
        },
    )
