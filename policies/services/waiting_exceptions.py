"""Exceptions that wait for a second person, where the organisation asks for one for what widens.

INVARIANT: whoever agrees is an active admin or approver and never the author; what takes effect is
the very exception that was asked for, over rules that say what they said then.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from gateway.accounts.access import projects_of, require
from gateway.accounts.acting import Acting, System, acting_of, actor_name
from gateway.accounts.changes import changing, shortened
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.accounts.services.second_person import SecondPersonNeeded, is_second_person
from gateway.audit.event_types import EventType
from gateway.audit.services import Detail, record_event
from gateway.deployments.models import WaitingState
from policies.models import RuleException, WaitingException
from policies.services.conflicts import Conflict
from policies.services.exceptions import (
    ExceptionWanted,
    create_exception,
    require_may_suspend,
    require_sound,
    rule_sentences,
)
from policies.services.publications import may_review
from policies.services.publishing import clean_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of it: an exception that holds, or one that waits for a second person."""

    exception: RuleException | None = None
    waiting: WaitingException | None = None


def create_or_ask(*, by: Acting, project: Project, wanted: ExceptionWanted, owner: User) -> Asked:
    """Make an exception, or let it wait where that takes a second person. It must be sound already.
    Raises as `create_exception`, but for SecondPersonNeeded."""
    try:
        return Asked(exception=create_exception(by=by, project=project, wanted=wanted, owner=owner))
    except SecondPersonNeeded:
        return Asked(waiting=_ask(by, project, wanted, owner))


def waiting_exceptions_for(by: Acting) -> QuerySet[WaitingException]:
    """Those that `by` may see, decided ones too, the newest first: all for who may be the second
    person, for others those of projects that they edit."""
    rows = WaitingException.objects.select_related("project", "owner").filter(
        project__archived=False
    )
    if may_review(by) or isinstance(by, System):
        return rows
    return rows.filter(project__in=projects_of(by, Role.EDITOR))


def may_agree(by: Acting, waiting: WaitingException) -> bool:
    """Whether `by` may be the second person for it."""
    author = acting_of(waiting.author) or System("unknown")
    return isinstance(by, User) and is_second_person(author, by)


def approve_exception(*, by: User, waiting: WaitingException, note: str = "") -> RuleException:
    """Agree: it holds from now on, as its author's.

    Raises PermissionDenied (the author, or without the role), Conflict (it waits no more, a rule
    says something else, the author may not suspend them any more), and as `create_exception`.
    """
    note = clean_reason(note)
    _require_second(by, waiting)
    with changing():
        row = _still_waiting(waiting)
        author = _author_who_still_may(row)
        now = rule_sentences(row.project)
        if any(now.get(rule) != sentence for rule, sentence in row.says.items()):
            raise Conflict(
                "A rule that it suspends says something else since it was asked for, or is gone: "
                "reject it, and ask again."
            )
        row.exception = create_exception(
            by=author,
            project=row.project,
            wanted=_wanted(row),
            owner=row.owner,
            approved_by=by,
        )
        _decide(row, WaitingState.APPROVED, by, note)
        return row.exception


def reject_exception(*, by: User, waiting: WaitingException, note: str = "") -> None:
    """Refuse it; nothing is suspended. Raises PermissionDenied, Conflict."""
    note = clean_reason(note)
    _require_second(by, waiting)
    with changing():
        row = _still_waiting(waiting)
        _decide(row, WaitingState.REJECTED, by, note)
        _record(by, EventType.EXCEPTION_REJECTED, row, author=row.author, note=note)


def withdraw_exception(*, by: Acting, waiting: WaitingException) -> None:
    """Take it back. Editors of the project. Raises PermissionDenied, Conflict."""
    require(by, waiting.project, Role.EDITOR)
    with changing():
        row = _still_waiting(waiting)
        _decide(row, WaitingState.WITHDRAWN, by, "")
        _record(by, EventType.EXCEPTION_WITHDRAWN, row, author=row.author)


def _ask(by: Acting, project: Project, wanted: ExceptionWanted, owner: User) -> WaitingException:
    require_may_suspend(by, project, wanted.rules)
    with changing():
        require_sound(project, wanted, owner)
        rows = WaitingException.objects.filter(project=project, state=WaitingState.WAITING)
        if rows.filter(name=wanted.name).exists():
            told = "An exception of this name waits for a second person already."
            raise ValidationError({"name": told})
        says = rule_sentences(project)
        row = WaitingException.objects.create(
            project=project,
            name=wanted.name,
            says={rule: says[rule] for rule in wanted.rules},
            groups=sorted(set(wanted.groups)),
            keys=sorted(set(wanted.keys)),
            aliases=sorted(set(wanted.aliases)),
            owner=owner,
            reason=clean_reason(wanted.reason),
            ends_at=wanted.ends_at,
            author=actor_name(by),
        )
        _record(
            by,
            EventType.EXCEPTION_REQUESTED,
            row,
            groups=row.groups,
            keys=row.keys,
            aliases=row.aliases,
            owner=actor_name(owner),
            ends_at=row.ends_at.isoformat(),
            reason=row.reason,
        )
    return row


def _wanted(row: WaitingException) -> ExceptionWanted:
    return ExceptionWanted(
        name=row.name,
        rules=tuple(row.rules),
        reason=row.reason,
        ends_at=row.ends_at,
        groups=tuple(row.groups),
        keys=tuple(row.keys),
        aliases=tuple(row.aliases),
    )


def _require_second(by: User, waiting: WaitingException) -> None:
    if not may_agree(by, waiting):
        raise PermissionDenied("Another admin or an approver agrees to it, never who asked.")


def _author_who_still_may(row: WaitingException) -> Acting:
    author = acting_of(row.author)
    if author is None:
        raise Conflict("Whoever asked for this is gone: reject it, and ask again.")
    try:
        require_may_suspend(author, row.project, row.rules)
    except PermissionDenied as error:
        raise Conflict("Whoever asked for this may not suspend these rules any more.") from error
    return author


def _still_waiting(waiting: WaitingException) -> WaitingException:
    row = WaitingException.objects.select_related("project", "owner").get(pk=waiting.pk)
    if row.state != WaitingState.WAITING:
        raise Conflict(f"This exception is {row.state} already.")
    return row


def _decide(row: WaitingException, state: WaitingState, by: Acting, note: str) -> None:
    row.state = state
    row.decided_by = actor_name(by)
    row.decided_at = timezone.now()
    row.note = note
    row.save()


def _record(by: Acting, type: EventType, row: WaitingException, **more: Detail) -> None:
    details: Mapping[str, Detail] = {"name": row.name, "rules": row.rules, **more}
    record_event(
        actor=actor_name(by),
        type=type,
        object_type="exception",
        object_id=str(row.pk),
        project=row.project.slug,
        details=shortened(details),
    )
