"""Approvals: one request, told by its digest, may pass the rules that want one.

Whoever asks names the decision that refused it. What is approved comes from the audit, never from
what the asker says; the text is not in it: whoever grants is shown it by who asks.

INVARIANT: nobody approves their own request, and only admins approve what the organisation's rules
refuse. An approval never suspends a label, a floor or a clearance.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone

from gateway.accounts.access import may, projects_of, require
from gateway.accounts.acting import Acting, System, actor_name
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import APIKey, Project
from gateway.accounts.roles import OrganisationRole, Role
from gateway.audit.event_types import EventType
from gateway.audit.models import RequestRecord
from gateway.audit.services import record_event
from policies.engine.permit import DropReason
from policies.models import Approval, ApprovalState
from policies.services.conflicts import Conflict
from policies.services.publishing import clean_reason

DEFAULT_LIFETIME = timedelta(hours=24)
LONGEST_LIFETIME = timedelta(days=30)
_ORGANISATION = "organisation:"


def ask_for_approval(
    *, by: Acting, project: Project, decision_id: str, reason: str = ""
) -> Approval:
    """Ask that the request which this decision refused may pass.

    Members ask for their own requests, editors for any of the project. The same bytes asked for
    twice are one question. Raises PermissionDenied, ValidationError (no such decision, or no
    approval would help).
    """
    require(by, project, Role.MEMBER if not may(by, project, Role.EDITOR) else Role.EDITOR)
    reason = clean_reason(reason)
    record = _refused(project, decision_id)
    if not (_asked_by(by, record) or may(by, project, Role.EDITOR)):
        raise ValidationError(NO_DECISION)
    rules = sorted(
        {
            rule
            for _, _, why, rule in record.dropped
            if why == DropReason.APPROVAL_REQUIRED.value and rule
        }
    )
    if record.decision != "denied" or not rules:
        raise ValidationError("This request was not refused for want of an approval.")
    with changing():
        waiting = Approval.objects.filter(
            project=project, digest=record.digest, state=ApprovalState.WAITING
        ).first()
        if waiting is not None:
            return waiting
        approval = Approval.objects.create(
            project=project,
            digest=record.digest,
            decision_id=decision_id,
            rules=rules,
            alias=record.alias,
            endpoint=record.endpoint,
            sensitivity=record.sensitivity,
            categories=record.categories,
            classes=record.classes,
            asked_by=actor_name(by),
            reason=reason,
        )
        record_event(
            actor=actor_name(by),
            type=EventType.APPROVAL_REQUESTED,
            object_type="approval",
            object_id=str(approval.pk),
            project=project.slug,
            details={
                "digest": approval.digest,
                "decision": decision_id,
                "rules": rules,
                "alias": approval.alias,
                "reason": reason[:480],
            },
        )
    return approval


NO_DECISION = (
    "There is no such decision of yours in this project. A decision can be named a few seconds "
    "after it was made."
)


def grant_approval(
    *, by: Acting, approval: Approval, note: str = "", lifetime: timedelta = DEFAULT_LIFETIME
) -> Approval:
    """Let exactly these bytes pass until `lifetime` is over. Raises as `refuse_approval`."""
    note = clean_reason(note)
    if not timedelta() < lifetime <= LONGEST_LIFETIME:
        raise ValidationError(f"An approval lasts {LONGEST_LIFETIME.days} days at most.")
    require_may_decide(by, approval)
    with changing():
        row = _still_waiting(approval)
        row.expires_at = timezone.now() + lifetime
        _decide(row, ApprovalState.GRANTED, by, note)
        record_change(
            by,
            EventType.APPROVAL_GRANTED,
            "approval",
            row.pk,
            project=row.project.slug,
            digest=row.digest,
            decision=row.decision_id,
            rules=row.rules,
            asked_by=row.asked_by,
            expires_at=row.expires_at.isoformat(),
            note=note,
        )
    return row


def refuse_approval(*, by: Acting, approval: Approval, note: str = "") -> Approval:
    """Let it stay refused. Raises PermissionDenied (the asker, or without the right), Conflict
    (decided already)."""
    note = clean_reason(note)
    require_may_decide(by, approval)
    with changing():
        row = _still_waiting(approval)
        _decide(row, ApprovalState.REFUSED, by, note)
        record_event(
            actor=actor_name(by),
            type=EventType.APPROVAL_REFUSED,
            object_type="approval",
            object_id=str(row.pk),
            project=row.project.slug,
            details={
                "digest": row.digest,
                "decision": row.decision_id,
                "rules": row.rules,
                "asked_by": row.asked_by,
                "note": note[:480],
            },
        )
    return row


def approvals_for(by: Acting) -> QuerySet[Approval]:
    """Those that `by` may see: asked by them, of projects they edit, or all, for admins and
    approvers; the newest first."""
    rows = Approval.objects.select_related("project").filter(project__archived=False)
    if isinstance(by, System) or (
        by.is_active and by.organisation_role in {OrganisationRole.ADMIN, OrganisationRole.APPROVER}
    ):
        return rows
    own = Q(asked_by=actor_name(by), project__in=projects_of(by, Role.MEMBER))
    return rows.filter(own | Q(project__in=projects_of(by, Role.EDITOR)))


def may_decide(by: Acting, approval: Approval) -> bool:
    """Whether `by` may grant or refuse it: never who asked; admins; for a project's own rules also
    approvers and the project's editors."""
    if isinstance(by, System):
        return True
    if not by.is_active or actor_name(by) in {approval.asked_by, *_askers(approval)}:
        return False
    if by.is_admin:
        return True
    if any(rule.startswith(_ORGANISATION) for rule in approval.rules):
        return False
    return by.organisation_role == OrganisationRole.APPROVER or may(
        by, approval.project, Role.EDITOR
    )


def require_may_decide(by: Acting, approval: Approval) -> None:
    """Raises PermissionDenied unless `may_decide`."""
    if not may_decide(by, approval):
        raise PermissionDenied(
            "Whoever asked cannot approve it; rules of the organisation are approved by its "
            "admins, rules of a project by its editors and by approvers."
        )


def _askers(approval: Approval) -> Sequence[str]:
    """Whose request it was, whoever asked for the approval."""
    record = RequestRecord.objects.filter(decision_id=approval.decision_id).first()
    return [record.actor, record.on_behalf_of] if record is not None else []


def _refused(project: Project, decision_id: str) -> RequestRecord:
    rows = RequestRecord.objects.filter(decision_id=decision_id[:100], project=project.slug)
    record = rows.first()
    if record is None:
        raise ValidationError(NO_DECISION)
    return record


def _asked_by(by: Acting, record: RequestRecord) -> bool:
    name = actor_name(by)
    if name in {record.actor, record.on_behalf_of}:
        return True
    key = APIKey.objects.filter(prefix=record.key_prefix).first() if record.key_prefix else None
    return key is not None and f"user:{key.user_id}" == name


def _still_waiting(approval: Approval) -> Approval:
    row = Approval.objects.select_related("project").get(pk=approval.pk)
    if row.state != ApprovalState.WAITING:
        raise Conflict(f"This approval is {row.state} already.")
    return row


def _decide(row: Approval, state: ApprovalState, by: Acting, note: str) -> None:
    row.state = state
    row.decided_by = actor_name(by)
    row.decided_at = timezone.now()
    row.note = note
    row.save()
