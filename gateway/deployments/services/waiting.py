"""Changes of deployments that widen, where the organisation asks for a second person.

INVARIANT: whoever agrees is an active admin or approver and never the author, and what takes
effect is the very spec that was asked for, on the very deployment that the author saw.
"""

from dataclasses import dataclass, replace

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from gateway.accounts.access import require_admin
from gateway.accounts.acting import Acting, acting_of, actor_name
from gateway.accounts.changes import changing, record_change, shortened
from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services.second_person import SecondPersonNeeded, is_second_person
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event
from gateway.deployments.models import Deployment, WaitingChange, WaitingState
from gateway.deployments.services.registry import (
    NAMED_IN_EVENT,
    change_deployment,
    clearance_words,
    create_deployment,
    planned_change,
)
from gateway.deployments.spec import DeploymentSpec, checked, same_server, spec_of
from gateway.deployments.spec_data import spec_data, spec_from

_REVIEWERS = (OrganisationRole.ADMIN, OrganisationRole.APPROVER)
MAX_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it: the deployment as it is now, and what of it waits for a second person."""

    deployment: Deployment
    waiting: WaitingChange | None = None


def create_or_ask(
    *, by: Acting, spec: DeploymentSpec, credential: str = "", reason: str = ""
) -> Done:
    """Register a deployment; where that needs a second person, as its zone's default and off, and
    let the rest wait. Raises as `create_deployment`, but for SecondPersonNeeded."""
    try:
        return Done(deployment=create_deployment(by=by, spec=spec, credential=credential))
    except SecondPersonNeeded:
        pass
    with changing():
        narrow = replace(spec, clearance=None, enabled=False)
        row = create_deployment(by=by, spec=narrow, credential=credential)
        return Done(deployment=row, waiting=_ask(by, row, spec, reason))


def change_or_ask(
    *,
    by: Acting,
    deployment: Deployment,
    spec: DeploymentSpec,
    credential: str | None = None,
    reason: str = "",
) -> Done:
    """Bring a deployment to a spec, its clearance stated anew; or let all of it wait.

    A new credential takes effect at once where the server stays the same. Raises as
    `change_deployment`, but for SecondPersonNeeded.
    """
    try:
        return Done(
            deployment=change_deployment(
                by=by,
                deployment=deployment,
                spec=spec,
                credential=credential,
                restate_clearance=True,
            )
        )
    except SecondPersonNeeded:
        pass
    with changing():
        row = Deployment.objects.select_for_update().get(pk=deployment.pk)
        before = spec_of(row)
        if credential is not None:
            if not same_server(before, spec):
                raise ValidationError(
                    {"credential": "It is for another server: give it once the change is agreed."}
                )
            change_deployment(by=by, deployment=row, spec=before, credential=credential)
        return Done(deployment=row, waiting=_ask(by, row, spec, reason))


def waiting_changes() -> QuerySet[WaitingChange]:
    """Every one that waits, the oldest first. Checks no access."""
    rows = WaitingChange.objects.filter(state=WaitingState.WAITING)
    return rows.select_related("deployment").order_by("requested_at")


def may_agree(by: Acting, change: WaitingChange) -> bool:
    """Whether `by` may be the second person for it."""
    return isinstance(by, User) and is_second_person(_author(change), by)


def approve_change(*, by: User, change: WaitingChange) -> Deployment:
    """Agree: it takes effect now, as its author's. Raises PermissionDenied, ValidationError (it
    waits no more, the deployment was changed since, its author is no admin any more)."""
    _require_agree(by, change)
    with changing():
        row = _still_waiting(change)
        deployment = Deployment.objects.select_for_update().get(pk=row.deployment_id)
        if spec_data(spec_of(deployment)) != row.before:
            raise ValidationError(
                "The deployment was changed since this was asked for: reject it, and ask again."
            )
        author = _author(row)
        require_admin(author)
        _decide(row, WaitingState.APPROVED, by, "")
        return change_deployment(
            by=author,
            deployment=deployment,
            spec=spec_from(row.spec),
            approved_by=by,
            restate_clearance=True,
        )


def reject_change(*, by: User, change: WaitingChange, note: str = "") -> None:
    """Refuse it; nothing changes. Raises as `approve_change`."""
    _require_agree(by, change)
    with changing():
        row = _still_waiting(change)
        _decide(row, WaitingState.REJECTED, by, note)
        details = {"name": row.deployment.name, "author": row.author, "note": row.note}
        record_change(
            by,
            EventType.DEPLOYMENT_CHANGE_REJECTED,
            "deployment",
            row.deployment_id,
            **details,
        )


def withdraw_change(*, by: Acting, change: WaitingChange) -> None:
    """Take it back. Admins."""
    require_admin(by)
    with changing():
        row = _still_waiting(change)
        _decide(row, WaitingState.WITHDRAWN, by, "")
        record_change(
            by,
            EventType.DEPLOYMENT_CHANGE_WITHDRAWN,
            "deployment",
            row.deployment_id,
            name=row.deployment.name,
        )


def _ask(by: Acting, row: Deployment, spec: DeploymentSpec, reason: str) -> WaitingChange:
    require_admin(by)
    checked(spec)
    if waiting_changes().filter(deployment=row).exists():
        raise ValidationError(
            "Another change of this deployment waits for a second person: it must be agreed, "
            "rejected or taken back first."
        )
    clearance = spec.wanted_clearance()
    had = row.clearance()
    given = planned_change(spec_of(row), spec, restate_clearance=True).given
    change = WaitingChange.objects.create(
        deployment=row,
        spec=spec_data(spec),
        before=spec_data(spec_of(row)),
        author=actor_name(by),
        reason=reason.strip()[:MAX_REASON],
    )
    record_event(
        actor=actor_name(by),
        type=EventType.DEPLOYMENT_CHANGE_REQUESTED,
        object_type="deployment",
        object_id=str(row.pk),
        details=shortened(
            {
                "name": row.name,
                "zone": spec.zone.value,
                "sensitivity": clearance.sensitivity.word,
                "categories": clearance_words(clearance),
                "before": [had.sensitivity.word, *clearance_words(had)],
                "reason": change.reason,
                "widens": list(given[:NAMED_IN_EVENT]),
            }
        ),
    )
    return change


def _require_agree(by: User, change: WaitingChange) -> None:
    if not (by.is_active and by.organisation_role in _REVIEWERS):
        raise PermissionDenied("This needs the organisation role admin or approver.")
    if not may_agree(by, change):
        raise PermissionDenied("Whoever asked for a change cannot be the second person.")


def _author(change: WaitingChange) -> Acting:
    """Who asked; a part of Sluice where it was none of today's people."""
    found = acting_of(change.author)
    if found is None:
        raise ValidationError("Whoever asked for this is gone: reject it, and ask again.")
    return found


def _still_waiting(change: WaitingChange) -> WaitingChange:
    row = WaitingChange.objects.select_for_update(of=("self",)).get(pk=change.pk)
    if row.state != WaitingState.WAITING:
        raise ValidationError(f"This change is {row.state} already.")
    return row


def _decide(row: WaitingChange, state: WaitingState, by: Acting, note: str) -> None:
    row.state = state
    row.decided_by = actor_name(by)
    row.decided_at = timezone.now()
    row.note = note.strip()[:MAX_REASON]
    row.save()
