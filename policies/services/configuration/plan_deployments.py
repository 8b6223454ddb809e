"""Steps for groups, deployments and aliases."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.accounts.models import Group, User
from gateway.accounts.services import create_user, remove_group, set_group
from gateway.deployments.credentials import CredentialUnreadable, decrypt
from gateway.deployments.models import Deployment, ModelAlias
from gateway.deployments.services import (
    change_deployment,
    create_deployment,
    remove_alias,
    remove_deployment,
    set_alias,
)
from gateway.deployments.services.registry import planned_change
from gateway.deployments.spec import (
    DeploymentSpec,
    admits_more,
    default_clearance,
    evidence_lasts_longer,
    spec_of,
    zone_is_trusted_more,
)
from policies.engine.facts import Clearance, Zone
from policies.services.configuration.steps import Authority, Run, Step, Verb, arrow
from policies.services.configuration.wanted import DeploymentWanted, Wanted
from policies.services.rules_read import rules_about_group

_SHOWN = (
    *("provider", "base_url", "upstream_model", "zone", "endpoints", "modalities", "vendor"),
    *("region", "retention_days", "trains_on_data", "evidence", "options", "connect_timeout_s"),
    *("first_byte_timeout_s", "idle_timeout_s", "enabled"),
)


def plan_people(wanted: Wanted) -> Iterator[Step]:
    """Accounts for the addresses that the file names; nobody can log in to them yet."""
    named = dict.fromkeys(
        email
        for emails in (
            *wanted.groups.values(),
            *(project.members or {} for project in wanted.projects),
        )
        for email in emails
    )
    known = set(User.objects.filter(email__in=named).values_list("email", flat=True))
    for email in named:
        if email not in known:
            yield Step(verb=Verb.CREATE, subject=f"user {email}", run=_create_user(email))


def plan_groups(present: Wanted, wanted: Wanted) -> Iterator[Step]:
    """Groups and exactly the members that the file gives them."""
    for slug, members in wanted.groups.items():
        before = present.groups.get(slug)
        if before is None:
            yield Step(verb=Verb.CREATE, subject=f"group {slug}", run=_set_group(slug, members))
        elif set(before) != set(members):
            added, removed = sorted(set(members) - set(before)), sorted(set(before) - set(members))
            yield Step(
                verb=Verb.CHANGE,
                subject=f"group {slug}",
                lines=(*(f"+ {email}" for email in added), *(f"- {email}" for email in removed)),
                widens=rules_about_group(slug),
                run=_set_group(slug, members),
            )


def plan_deployments(wanted: Wanted) -> Iterator[Step]:
    """Deployments: new ones, and what differs in those that exist, proposals included."""
    rows = {row.name: row for row in Deployment.objects.all()}
    for deployment in wanted.deployments:
        row = rows.get(deployment.name)
        step = _create(deployment) if row is None else _change(row, deployment)
        if step is not None:
            yield step


def _create(wanted: DeploymentWanted) -> Step:
    spec = wanted.spec
    clearance = spec.wanted_clearance()
    widens: tuple[str, ...] = ()
    if admits_more(clearance, default_clearance(spec.zone)):
        widens = (f"a new deployment in {spec.zone} is cleared for {_words(clearance)}",)
    return Step(
        verb=Verb.CREATE,
        subject=f"deployment {spec.name}",
        lines=(
            f"{spec.provider} at {spec.base_url}, model {spec.upstream_model}, zone {spec.zone}",
            f"clearance: {_words(clearance)}",
        ),
        widens=widens,
        run=lambda authority: create_deployment(
            by=authority.by,
            spec=spec,
            credential=wanted.credential,
            credential_source=wanted.credential_source,
            approved_by=authority.approved_by,
        ),
    )


def _change(row: Deployment, wanted: DeploymentWanted) -> Step | None:
    before, spec = spec_of(row), wanted.spec
    change = planned_change(before, spec, restate_clearance=True)
    lines = [
        arrow(name, _shown(getattr(before, name)), _shown(getattr(spec, name)))
        for name in _SHOWN
        if _shown(getattr(before, name)) != _shown(getattr(spec, name))
    ]
    had, has = before.wanted_clearance(), spec.wanted_clearance()
    if had != has:
        lines.append(arrow("clearance", _words(had), _words(has)))
    new_credential = _credential_differs(row, wanted)
    if new_credential:
        lines.append(f"credential: from {wanted.credential_source}")
    # A credential does not follow to another server unless the file gives it again.
    restated = new_credential or (change.moved and bool(wanted.credential_source))
    confirms = row.proposed and spec.enabled
    if confirms:
        lines.append("confirmed: it was a proposal")
    if not lines:
        return None
    return Step(
        verb=Verb.CHANGE,
        subject=f"deployment {row.name}",
        lines=tuple(lines),
        widens=(*_widening(before, spec, moved=change.moved, confirms=confirms), *change.given),
        run=lambda authority: change_deployment(
            by=authority.by,
            deployment=Deployment.objects.get(name=row.name),
            spec=spec,
            credential=wanted.credential if restated else None,
            credential_source=wanted.credential_source,
            approved_by=authority.approved_by,
            restate_clearance=True,
        ),
    )


def _widening(
    before: DeploymentSpec, after: DeploymentSpec, *, moved: bool, confirms: bool
) -> Iterator[str]:
    has = _words(after.wanted_clearance())
    if moved and after.enabled:
        yield f"it goes elsewhere now, and would stay on, cleared for {has}"
    elif admits_more(after.wanted_clearance(), before.wanted_clearance()):
        yield f"it would be cleared for {has}"
    if zone_is_trusted_more(after.zone, before.zone):
        yield f"its zone would be {after.zone}"
    if after.enabled and (confirms or not before.enabled):
        yield "it is switched on"
    if evidence_lasts_longer(after.evidence, before.evidence):
        yield "its evidence lasts longer"


def _credential_differs(row: Deployment, wanted: DeploymentWanted) -> bool:
    if not wanted.credential_source:
        return False
    if row.credential_source != wanted.credential_source:
        return True
    try:
        return decrypt(row.credential) != wanted.credential
    except CredentialUnreadable:
        return True


def plan_aliases(present: Wanted, wanted: Wanted, zones: Mapping[str, Zone]) -> Iterator[Step]:
    """Aliases and exactly the deployments that the file gives them."""
    for name, targets in wanted.aliases.items():
        before = present.aliases.get(name)
        if before is None:
            lines: tuple[str, ...] = (f"deployments: {', '.join(targets)}",)
            yield Step(
                verb=Verb.CREATE,
                subject=f"alias {name}",
                lines=lines,
                run=_set_alias(name, targets),
            )
        elif before != targets:
            gained = [target for target in targets if target not in before]
            yield Step(
                verb=Verb.CHANGE,
                subject=f"alias {name}",
                lines=(arrow("deployments", ", ".join(before), ", ".join(targets)),),
                widens=tuple(
                    f"it may lead to {target} ({zones[target]})"
                    for target in gained
                    if zones[target] is not Zone.ON_PREM
                ),
                run=_set_alias(name, targets),
            )


def plan_removals(present: Wanted, wanted: Wanted) -> tuple[list[Step], list[str]]:
    """What the database has beyond the file's sections, as steps and as names."""
    steps: list[Step] = []
    if "aliases" in wanted.sections:
        for name in present.aliases:
            if name not in wanted.aliases:
                steps.append(_remove(f"alias {name}", _remove_alias(name)))
    if "deployments" in wanted.sections:
        stay = {deployment.name for deployment in wanted.deployments}
        stay.update(Deployment.objects.filter(builtin=True).values_list("name", flat=True))
        for deployment in present.deployments:
            if deployment.name not in stay:
                run = _remove_deployment(deployment.name)
                steps.append(_remove(f"deployment {deployment.name}", run))
    if "groups" in wanted.sections:
        for slug in present.groups:
            if slug not in wanted.groups:
                steps.append(_remove(f"group {slug}", _remove_group(slug)))
    return steps, [step.subject for step in steps]


def _remove(subject: str, run: Run) -> Step:
    return Step(verb=Verb.REMOVE, subject=subject, run=run)


def _create_user(email: str) -> Run:
    return lambda authority: create_user(by=authority.by, email=email)


def _set_group(slug: str, members: Sequence[str]) -> Run:
    return lambda authority: set_group(
        by=authority.by, slug=slug, members=User.objects.filter(email__in=members)
    )


def _remove_group(slug: str) -> Run:
    return lambda authority: remove_group(by=authority.by, group=Group.objects.get(slug=slug))


def _set_alias(name: str, targets: Sequence[str]) -> Run:
    def run(authority: Authority) -> None:
        rows = {row.name: row for row in Deployment.objects.filter(name__in=targets)}
        set_alias(by=authority.by, name=name, deployments=[rows[target] for target in targets])

    return run


def _remove_alias(name: str) -> Run:
    return lambda authority: remove_alias(by=authority.by, alias=ModelAlias.objects.get(name=name))


def _remove_deployment(name: str) -> Run:
    return lambda authority: remove_deployment(
        by=authority.by, deployment=Deployment.objects.get(name=name)
    )


def _words(clearance: Clearance) -> str:
    if clearance.categories is None:
        return f"{clearance.sensitivity.word}, all categories"
    return ", ".join([clearance.sensitivity.word, *(sorted(clearance.categories) or ["none"])])


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in sorted(value.items())) or "none"
    if isinstance(value, tuple):
        return "; ".join(str(item) for item in value) or "none"
    return str(value)
