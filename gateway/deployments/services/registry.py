"""Creating, changing and removing deployments.

INVARIANT: a clearance belongs to the place it was given for. When the place changes, it falls to
its zone's default and the deployment is switched off, whoever asks.
"""

from dataclasses import dataclass, replace

from django.core.exceptions import ValidationError

from gateway.accounts.access import require_admin
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project, User
from gateway.accounts.services.second_person import require_second_person
from gateway.accounts.statements import require_statements
from gateway.audit.event_types import EventType
from gateway.audit.services import Detail
from gateway.deployments.credentials import encrypt
from gateway.deployments.models import Deployment
from gateway.deployments.rules_read import what_rules_give
from gateway.deployments.spec import (
    DeploymentSpec,
    admits_more,
    checked,
    default_clearance,
    evidence_lasts_longer,
    facts_of,
    goes_elsewhere,
    same_server,
    spec_of,
    zone_is_trusted_more,
)
from policies.engine.facts import Clearance

_SETTINGS = (
    *("upstream_model", "endpoints", "modalities", "vendor", "region", "retention_days"),
    *("trains_on_data", "evidence", "connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s"),
)
NAMED_IN_EVENT = 20


def create_deployment(
    *,
    by: Acting,
    spec: DeploymentSpec,
    credential: str = "",
    credential_source: str = "",
    approved_by: User | None = None,
) -> Deployment:
    """Register a deployment. A clearance beyond the zone's default is a widening of its own.

    Raises PermissionDenied, ValidationError, SecondPersonNeeded.
    """
    require_admin(by)
    fields = checked(spec)
    _check_credential(credential)
    clearance = spec.wanted_clearance()
    widens = admits_more(clearance, default_clearance(spec.zone))
    with changing():
        if Deployment.objects.filter(name=spec.name).exists():
            raise ValidationError({"name": f"There is a deployment {spec.name!r} already."})
        if widens:
            require_second_person(by, approved_by)
        row = Deployment(**fields, enabled=spec.enabled)
        _set_clearance(row, clearance)
        row.credential, row.credential_source = encrypt(credential), credential_source
        row.save(force_insert=True)
        record_change(
            by,
            EventType.DEPLOYMENT_CREATED,
            "deployment",
            row.pk,
            name=row.name,
            provider=row.provider,
            zone=row.zone,
            sensitivity=row.clearance_sensitivity,
            categories=clearance_words(clearance),
            region=row.region,
            vendor=row.vendor,
            enabled=row.enabled,
        )
        if widens:
            _record_clearance(by, row, default_clearance(spec.zone), approved_by, widened=True)
    return row


def change_deployment(  # noqa: PLR0913 -- each may be given by name
    *,
    by: Acting,
    deployment: Deployment,
    spec: DeploymentSpec,
    credential: str | None = None,
    credential_source: str = "",
    approved_by: User | None = None,
    restate_clearance: bool = False,
) -> Deployment:
    """Bring a deployment to a spec; `credential` None keeps it.

    When provider, address, zone or options change, the clearance falls to its zone's default (or
    stays, where it was below that) and the deployment is disabled, whatever the spec says.
    `restate_clearance` then gives the spec's clearance and `enabled` anew, as a widening. Raises
    PermissionDenied, ValidationError (also with the counterexample to a statement of a policy that
    would not hold any more), SecondPersonNeeded.
    """
    require_admin(by)
    fields = checked(spec)
    _check_credential(credential or "")
    with changing():
        row = Deployment.objects.select_for_update().get(pk=deployment.pk)
        before = spec_of(row)
        if spec.name != before.name:
            raise ValidationError({"name": "A deployment's name never changes: create another."})
        change = planned_change(before, spec, restate_clearance=restate_clearance)
        if change.widens:
            require_second_person(by, approved_by)
        changed = [name for name in _SETTINGS if getattr(row, name) != fields[name]]
        for name, value in fields.items():
            setattr(row, name, value)
        _set_clearance(row, change.after.wanted_clearance())
        row.enabled = change.after.enabled
        row.proposed = row.proposed and not row.enabled
        row.builtin = row.builtin and not change.moved
        if credential is None and row.credential and not same_server(before, change.after):
            credential = ""  # what was given to one server is not shown to another
        if credential is not None:
            row.credential, row.credential_source = encrypt(credential), credential_source
        row.save()
        _record_place(by, row, change, approved_by)
        if changed:
            _record(by, row, EventType.DEPLOYMENT_CHANGED, fields=changed)
        if credential is not None:
            _record(by, row, EventType.CREDENTIAL_CHANGED)
        if row.enabled != before.enabled:
            _record_switch(by, row, "")
        _require_statements(row)
    deployment.refresh_from_db()
    return row


@dataclass(frozen=True, slots=True)
class Change:
    """What a change comes to: `after` is the state that will be, `moved` and `widens` say what
    kind of change it is. `given`: a sentence for each rule in effect that gives it more."""

    before: DeploymentSpec
    after: DeploymentSpec
    moved: bool
    widens: bool
    given: tuple[str, ...]


def planned_change(
    before: DeploymentSpec, spec: DeploymentSpec, *, restate_clearance: bool
) -> Change:
    """What bringing a deployment from `before` to `spec` comes to. Reads the policies in effect
    where an attribute that rules may read differs."""
    had = before.wanted_clearance()
    moved = goes_elsewhere(before, spec)
    # After a move nothing counts that was cleared for the other place.
    reference = _least(had, default_clearance(spec.zone)) if moved else had
    after = spec
    if moved and not restate_clearance:
        after = replace(spec, clearance=reference, enabled=False)
    given = what_rules_give(facts_of(before), facts_of(after))
    widens = (
        bool(given)
        or admits_more(after.wanted_clearance(), reference)
        or zone_is_trusted_more(after.zone, before.zone)
        or evidence_lasts_longer(after.evidence, before.evidence)
    )
    return Change(before=before, after=after, moved=moved, widens=widens, given=given)


def _least(one: Clearance, other: Clearance) -> Clearance:
    """What both admit."""
    if one.categories is None:
        categories = other.categories
    elif other.categories is None:
        categories = one.categories
    else:
        categories = one.categories & other.categories
    return Clearance(min(one.sensitivity, other.sensitivity), categories)


def set_enabled(*, by: Acting, deployment: Deployment, enabled: bool, reason: str = "") -> None:
    """Switch a deployment on or off. Only a confirmed one can be switched on, and only while every
    statement of the policies holds with it. Raises PermissionDenied, ValidationError."""
    require_admin(by)
    with changing():
        row = Deployment.objects.select_for_update().get(pk=deployment.pk)
        if row.enabled == enabled:
            return
        if enabled and row.proposed:
            raise ValidationError("This is a proposal: confirm it first, with its zone.")
        row.enabled = enabled
        row.save(update_fields=["enabled"])
        _record_switch(by, row, reason)
        _require_statements(row)
    deployment.refresh_from_db()


def remove_deployment(*, by: Acting, deployment: Deployment) -> None:
    """Remove a deployment that no alias names; its grants go with it. Raises ValidationError."""
    require_admin(by)
    with changing():
        used = list(deployment.aliases.values_list("name", flat=True))
        if used:
            raise ValidationError(f"The alias {used[0]!r} names this deployment: change it first.")
        key = deployment.pk
        deployment.delete()
        record_change(
            by,
            EventType.DEPLOYMENT_REMOVED,
            "deployment",
            key,
            name=deployment.name,
            zone=deployment.zone,
        )


def _require_statements(row: Deployment) -> None:
    """What policies state must hold with the deployment as it is now. Raises ValidationError."""
    if row.enabled:
        require_statements(Project.objects.filter(grants__deployment=row).order_by("slug"))


def clearance_words(clearance: Clearance) -> list[str]:
    """The categories as files and events write them; `all` stands for every one."""
    return ["all"] if clearance.categories is None else sorted(clearance.categories)


def _set_clearance(row: Deployment, clearance: Clearance) -> None:
    row.clearance_sensitivity = clearance.sensitivity.word
    row.clearance_categories = (
        None if clearance.categories is None else sorted(clearance.categories)
    )


def _check_credential(credential: str) -> None:
    if credential and not (
        credential.isascii() and credential.isprintable() and " " not in credential
    ):
        raise ValidationError(
            {"credential": "A credential has no spaces, line breaks or non-ASCII characters."}
        )


def _record(by: Acting, row: Deployment, type: EventType, **details: Detail) -> None:
    record_change(by, type, "deployment", row.pk, project="", name=row.name, **details)


def _record_place(by: Acting, row: Deployment, change: Change, approved_by: User | None) -> None:
    """The events of a new address, zone or clearance."""
    before, after = change.before, change.after
    had, has = before.wanted_clearance(), after.wanted_clearance()
    if change.moved:
        _record(
            by,
            row,
            EventType.DEPLOYMENT_ADDRESS_CHANGED,
            zone=row.zone,
            sensitivity=row.clearance_sensitivity,
            categories=clearance_words(has),
        )
    if change.widens or had != has or before.zone != after.zone:
        _record_clearance(by, row, had, approved_by, widened=change.widens, given=change.given)


def _record_clearance(
    by: Acting,
    row: Deployment,
    before: Clearance,
    approved_by: User | None,
    *,
    widened: bool,
    given: tuple[str, ...] = (),
) -> None:
    _record(
        by,
        row,
        EventType.DEPLOYMENT_CLEARANCE_WIDENED
        if widened
        else EventType.DEPLOYMENT_CLEARANCE_NARROWED,
        zone=row.zone,
        sensitivity=row.clearance_sensitivity,
        categories=clearance_words(row.clearance()),
        before=[before.sensitivity.word, *clearance_words(before)],
        approved_by=str(approved_by.pk) if approved_by is not None else None,
        **({"widens": list(given[:NAMED_IN_EVENT])} if given else {}),
    )


def _record_switch(by: Acting, row: Deployment, reason: str) -> None:
    if row.enabled:
        _record(by, row, EventType.DEPLOYMENT_ENABLED, zone=row.zone)
    else:
        _record(by, row, EventType.DEPLOYMENT_DISABLED, reason=reason)
