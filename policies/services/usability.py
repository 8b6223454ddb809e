"""Which projects could use a deployment as it is, or as somebody is about to make it; and why not.

Everything is decided with the shipped engine over real policies, grants and aliases; nothing is
sent or stored.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.utils import timezone

from gateway.accounts.models import Project
from gateway.deployments.models import Deployment
from gateway.inference.contracts import Principal, ProjectView, Snapshot
from gateway.inference.deciding import decide_on
from gateway.inference.exchange import Inbound
from gateway.protocol.errors import GatewayError
from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy
from policies.engine.decide import decide
from policies.engine.facts import DeploymentFacts, Endpoint, RequestFacts
from policies.engine.labels import PUBLIC, Label, Sensitivity
from policies.engine.permit import Permit
from policies.engine.prove import prove
from policies.services.judging import bare_view, view_in
from policies.services.proving import class_labels
from policies.services.views import Shared, read_shared

# States decided for each project (15 µs each) before it is said that nothing was found.
STATES_LIMIT = 20_000
ALONE = "only-this"  # the alias over nothing else, in which examples are decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """One project. `reason`: why nothing of it can get there."""

    project: Project
    usable: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What would become of a text. `zone` empty: it would not be sent, for `reason`."""

    text: str
    zone: str = ""
    masked: int = 0
    reason: str = ""
    label: Label = PUBLIC


def shared_with(facts: DeploymentFacts) -> Shared:
    """What all projects are built from, with this deployment as told, switched on. Nine queries."""
    shared = read_shared(list(Deployment.objects.all()))
    return replace(shared, facts={**shared.facts, facts.name: replace(facts, enabled=True)})


def usable_by(
    facts: DeploymentFacts, projects: Iterable[Project], *, shared: Shared
) -> list[Usable]:
    """Each project: whether some request of it may get there, searched exhaustively."""
    return [_usable(facts, project, shared) for project in projects]


def examples_of(
    facts: DeploymentFacts, texts: Sequence[str], *, project: Project | None, shared: Shared
) -> list[Example]:
    """What would become of texts that are meant for this deployment alone, in a project or, with
    None, in one without rules of its own that is granted everything."""
    alone = replace(shared, aliases={**shared.aliases, ALONE: [facts.name]})
    if project is None:
        view = bare_view(alone)
    else:
        view = view_in(project, alone, alone.documents.get(project.pk))
    return [_example(view, text) for text in texts]


def minimums_of(shared: Shared) -> dict[str, Sensitivity]:
    """Every category that the organisation knows, with its least sensitivity."""
    return dict(bare_view(shared).policy.taxonomy.minimums)


def found_categories(shared: Shared) -> frozenset[str]:
    """Categories that a recognizer finds; the others count only where somebody declares them."""
    return frozenset(bare_view(shared).analyser.data_classes.values())


def _usable(facts: DeploymentFacts, project: Project, shared: Shared) -> Usable:
    name = facts.name
    if name not in shared.grants.get(project.pk, frozenset()):
        return Usable(project=project, usable=False, reason="It is not granted to the project.")
    aliases = [alias for alias, names in shared.aliases.items() if name in names]
    if not aliases:
        return Usable(project=project, usable=False, reason="No alias names it.")
    try:
        view = view_in(project, shared, shared.documents.get(project.pk))
    except (ValueError, TypeError, KeyError):
        reason = "The project's policy cannot be read, so it denies everything."
        return Usable(project=project, usable=False, reason=reason)
    reaches = r.Never(
        r.SensitivityIs(Sensitivity.PUBLIC, Sensitivity.RESTRICTED),
        frozenset(),
        r.Selector(deployments=frozenset({name})),
    )
    [proof] = prove(
        view.policy,
        class_labels=class_labels(view.policy, view.analyser),
        statements=[reaches],
        limit=STATES_LIMIT,
    )
    if proof.counterexample is not None:
        # What takes candidates away and the proof leaves out: evidence that ended.
        why = _why_not(view.policy, proof.counterexample.facts, name)
        return Usable(project=project, usable=not why, reason=why)
    plain = _plain(view.policy, aliases[0])
    return Usable(
        project=project,
        usable=False,
        reason=_why_not(view.policy, plain, name) or "No request of it gets there.",
    )


def _why_not(policy: CompiledPolicy, facts: RequestFacts, name: str) -> str:
    permit = decide(policy, replace(facts, now=timezone.now()), masking_available=True)
    if any(candidate.deployment == name for candidate in permit.candidates):
        return ""
    return _reason(permit, name)


def _reason(permit: Permit, name: str) -> str:
    return next((drop.detail for drop in permit.dropped if drop.deployment == name), "")


def _plain(policy: CompiledPolicy, alias: str) -> RequestFacts:
    """The least that a request of the project can be: its floor, and nothing found."""
    return RequestFacts(
        decision_id="",
        digest="",
        endpoint=Endpoint.CHAT_COMPLETIONS.value,
        alias=alias,
        label=policy.floor,
        now=timezone.now(),
    )


def _example(view: ProjectView, text: str) -> Example:
    snapshot = Snapshot(version=0, keys={}, projects={view.slug: view}, destinations={})
    body = {"model": ALONE, "messages": [{"role": "user", "content": text}]}
    try:
        permit = decide_on(
            snapshot,
            Inbound(
                principal=Principal(actor="system:example", project=view.slug),
                endpoint=Endpoint.CHAT_COMPLETIONS,
                body=json.dumps(body).encode(),
                request_id="",
                channel="test",
            ),
            decision_id="example",
            now=timezone.now(),
            on_prem_only="",
        ).permit
    except GatewayError as error:
        return Example(text=text, reason=error.message)
    if permit.candidates:
        first = permit.candidates[0]
        return Example(text=text, zone=first.zone.value, masked=first.masked, label=permit.label)
    reason = next((drop.detail for drop in permit.dropped), "It does not serve chats.")
    return Example(text=text, reason=reason, label=permit.label)
