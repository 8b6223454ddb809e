"""From a draft to what is in effect, where the organisation asks for it by way of a second person.

INVARIANT: whoever agrees is never the author, and what takes effect is the very document that
was asked for, judged again at that moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from gateway.accounts.acting import Acting, System, acting_of, actor_name
from gateway.accounts.changes import changing
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services.second_person import SecondPersonNeeded, is_second_person
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event
from policies.models import (
    PendingPublication,
    Policy,
    PolicyDraft,
    PolicyRevision,
    PublicationState,
)
from policies.services.conflicts import Conflict
from policies.services.drafts import draft_of, drop_draft, require_draft
from policies.services.judging import Judgement, judge_now
from policies.services.publishing import (
    back_to,
    clean_reason,
    document_hash,
    publish,
    require_author,
    require_base,
    revision_of,
    validate,
    widening,
)

_REVIEWERS = (OrganisationRole.ADMIN, OrganisationRole.APPROVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What came of it: a revision in effect, or a publication that waits for a second person."""

    revision: PolicyRevision | None = None
    waiting: PendingPublication | None = None


def publish_draft(
    *,
    by: Acting,
    project: Project | None,
    version: int,
    reason: str = "",
    accept_unproven: bool = False,
) -> Published:
    """Publish the draft of this version, or ask for a second person where that is wanted.

    The draft is gone once it is in effect. Raises as `publish`, but for SecondPersonNeeded.
    """
    require_author(by, project)
    draft = require_draft(project, version)
    document = draft.document
    require_base(draft.policy.current, base_of(draft))
    judged = judge_now(document, project=project, accept_unproven=accept_unproven)
    with changing():
        draft = require_draft(project, version)
        done = publish_or_ask(
            by=by,
            project=project,
            document=document,
            base=base_of(draft),
            reason=reason,
            judged=judged,
            accept_unproven=accept_unproven,
        )
        if done.revision is not None:
            drop_draft(by, draft)
    return done


def base_of(item: PolicyDraft | PendingPublication) -> int:
    """The number of the revision that something was made from; 0: there was none."""
    return item.base.number if item.base is not None else 0


def publish_or_ask(  # noqa: PLR0913 -- an act with that many sides
    *,
    by: Acting,
    project: Project | None,
    document: Mapping[str, Any],
    base: int | None = None,
    reason: str = "",
    judged: Judgement | None = None,
    accept_unproven: bool = False,
) -> Published:
    """Publish a document, or ask for a second person where that is wanted. Raises as `publish`."""
    require_author(by, project)
    if judged is None:
        judged = judge_now(document, project=project, accept_unproven=accept_unproven)
    try:
        return Published(
            revision=publish(
                by=by,
                document=document,
                project=project,
                reason=reason,
                base=base,
                judged=judged,
                accept_unproven=accept_unproven,
            )
        )
    except SecondPersonNeeded:
        return Published(
            waiting=ask_for_publication(
                by=by,
                project=project,
                document=document,
                base=base,
                reason=reason,
                judged=judged,
            )
        )


def roll_back_or_ask(
    *,
    by: Acting,
    project: Project | None,
    number: int,
    reason: str = "",
    accept_unproven: bool = False,
) -> Published:
    """Publish an old revision again, or ask for a second person. Raises as `publish`."""
    require_author(by, project)
    return publish_or_ask(
        by=by,
        project=project,
        document=revision_of(project, number).document,
        reason=reason or back_to(number),
        accept_unproven=accept_unproven,
    )


def ask_for_publication(
    *,
    by: Acting,
    project: Project | None,
    document: Mapping[str, Any],
    base: int | None = None,
    reason: str = "",
    judged: Judgement | None = None,
) -> PendingPublication:
    """Let a document wait for a second person. It must hold already. Raises as `publish`."""
    require_author(by, project)
    reason = clean_reason(reason)
    if judged is None:
        judge_now(document, project=project)
    with changing():
        validate(document, project=project)
        policy, _ = Policy.objects.select_related("current").get_or_create(project=project)
        require_base(policy.current, base)
        if PendingPublication.objects.filter(policy=policy, state=PublicationState.WAITING):
            raise Conflict(
                "Another publication of this policy waits for a second person. It must be "
                "approved, rejected or withdrawn first."
            )
        pending = PendingPublication.objects.create(
            policy=policy,
            document=dict(document),
            hash=document_hash(document),
            base=policy.current,
            author=actor_name(by),
            reason=reason,
            widens=list(widening(policy.current, document, project)),
        )
        _record(
            by,
            EventType.PUBLICATION_REQUESTED,
            pending,
            revision=pending.hash,
            previous=policy.current.hash if policy.current is not None else "",
            widens=pending.widens,
            reason=reason,
        )
    return pending


def waiting_publications() -> QuerySet[PendingPublication]:
    """Every one that waits, the oldest first. Checks no access."""
    rows = PendingPublication.objects.filter(state=PublicationState.WAITING)
    return rows.select_related("policy__project", "policy__current", "base").order_by(
        "requested_at"
    )


def may_review(by: Acting) -> bool:
    """Whether `by` may be the second person: an active admin or approver."""
    return isinstance(by, System) or (by.is_active and by.organisation_role in _REVIEWERS)


def approve_publication(
    *, by: User, publication: PendingPublication, accept_unproven: bool = False, note: str = ""
) -> PolicyRevision:
    """Agree: the document takes effect now, as its author's.

    The author must still be allowed to publish, and what it replaces must be what they saw.
    Raises as `publish`, PermissionDenied for the author and for whoever may not agree.
    """
    note = clean_reason(note)
    _require_second(by, publication)
    pending = _still_waiting(publication)
    project = pending.policy.project
    judged = judge_now(pending.document, project=project, accept_unproven=accept_unproven)
    with changing():
        pending = _still_waiting(publication)
        author = _person(pending.author)
        try:
            require_author(author, project)
        except PermissionDenied as error:
            raise Conflict("Its author may not publish this policy any more.") from error
        revision = publish(
            by=author,
            document=pending.document,
            project=project,
            reason=pending.reason,
            base=base_of(pending),
            approved_by=by,
            judged=judged,
            accept_unproven=accept_unproven,
        )
        pending.revision = revision
        _close(pending, PublicationState.APPROVED, by, note)
        draft = draft_of(project)
        if draft is not None and document_hash(draft.document) == pending.hash:
            drop_draft(author, draft)
    return revision


def reject_publication(*, by: User, publication: PendingPublication, note: str = "") -> None:
    """Refuse it; its author reads why. Raises PermissionDenied, Conflict."""
    note = clean_reason(note)
    _require_second(by, publication)
    with changing():
        pending = _still_waiting(publication)
        _close(pending, PublicationState.REJECTED, by, note)
        _record(
            by,
            EventType.PUBLICATION_REJECTED,
            pending,
            revision=pending.hash,
            author=pending.author,
            note=note,
        )


def withdraw_publication(*, by: Acting, publication: PendingPublication) -> None:
    """Take it back. Whoever may edit the policy may. Raises PermissionDenied, Conflict."""
    require_author(by, publication.policy.project)
    with changing():
        pending = _still_waiting(publication)
        _close(pending, PublicationState.WITHDRAWN, by, "")
        _record(by, EventType.PUBLICATION_WITHDRAWN, pending, revision=pending.hash)


def _require_second(by: User, publication: PendingPublication) -> None:
    if not may_review(by):
        raise PermissionDenied("This needs the organisation role admin or approver.")
    if actor_name(by) == publication.author or not is_second_person(
        _author_if_any(publication.author), by
    ):
        raise PermissionDenied("Whoever wrote a policy cannot be the second person.")


def _author_if_any(name: str) -> Acting:
    try:
        return _person(name)
    except ValidationError:
        return System("unknown")


def _person(name: str) -> Acting:
    """Who `name` is. Raises ValidationError when the account is gone."""
    found = acting_of(name)
    if found is None:
        raise ValidationError("The author of this publication has no account any more.")
    return found


def _still_waiting(publication: PendingPublication) -> PendingPublication:
    rows = PendingPublication.objects.select_related("policy__project", "base")
    pending = rows.get(pk=publication.pk)
    if pending.state != PublicationState.WAITING:
        raise Conflict(f"This publication is {pending.state} already.")
    return pending


def _close(pending: PendingPublication, state: PublicationState, by: Acting, note: str) -> None:
    pending.state = state
    pending.decided_by = actor_name(by)
    pending.decided_at = timezone.now()
    pending.note = note
    pending.save()


def _record(
    by: Acting, type: EventType, pending: PendingPublication, **details: str | list[str]
) -> None:
    project = pending.policy.project
    record_event(
        actor=actor_name(by),
        type=type,
        object_type="policy",
        object_id=str(pending.policy_id),
        project=project.slug if project is not None else "",
        details=details,
    )
