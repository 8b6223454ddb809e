"""From policy documents and deployments to what `decide` walks through on every request.

Everything that can be computed once is computed here: which deployments a rule drops, masks or
prefers, and the sentence that says so. No condition about a request is evaluated here.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, time
from enum import Enum
from types import MappingProxyType

from policies.engine import rules as r
from policies.engine.conditions import Test, split
from policies.engine.facts import Clearance, DeploymentFacts, RequestFacts, Zone
from policies.engine.labels import Label, Sensitivity, Taxonomy
from policies.engine.permit import Candidate, Dropped, DropReason, MaskMode, RuleRef

# Part of every revision hash: raise it when the same documents come to mean something else.
ENGINE_VERSION = 2

ORGANISATION = "organisation"
PROJECT = "project"

DEFAULT_PROJECT_FLOOR = Label(Sensitivity.INTERNAL)


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment as `decide` reads it. `bit` is its place in the rules' bit sets."""

    name: str
    zone: Zone
    bit: int
    on_prem: bool
    enabled: bool
    endpoints: frozenset[str]
    modalities: frozenset[str]
    clearance: Clearance
    valid_until: date | None  # of the evidence that runs out first
    too_sensitive: tuple[Dropped, ...]  # by the content's sensitivity


# What a rule does to its targets. Plain numbers: looking up an enum's member costs 75 ns.
NARROW, APPROVAL, MASK, PREFER = range(4)  # NARROW: deny, allow only


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its condition as a closure and its selector as a set of bits.

    `targets`: the deployments that it drops (deny, allow only, require approval), masks or
    prefers. `drops` holds, by bit, what is reported of each that it drops. `rank` gives every
    bit its place when the rule prefers; 0 comes first.
    """

    ref: RuleRef
    key: str
    rule: r.Rule
    kind: int
    lasting: Test | None  # asks for endpoint, alias and label alone
    passing: Test | None  # asks for the rest of the request
    shadow: bool
    targets: int
    drops: Mapping[int, Dropped]
    modes: tuple[tuple[str, MaskMode], ...]
    rank: Callable[[int], int]


@dataclass(slots=True)
class Remembered:
    """What follows from endpoint, alias and label alone.

    `rules` are those whose lasting condition holds, each with the test that is left (None:
    none). `raw` holds candidates for the unmasked bytes as they are first needed, by bit, and
    `maskings` what `judge` worked out for findings like these before; each request still passes
    the clearance check before it gets one of them.
    """

    rules: tuple[tuple[Test | None, CompiledRule], ...]
    raw: dict[int, Candidate]
    maskings: dict[object, object]


# Labels times aliases times endpoints seen lately. A real project has a few dozen; the limit
# only keeps made-up categories from filling the memory.
_REMEMBERED_LIMIT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPolicy:
    """The organisation's and one project's policy over the deployments granted to it.

    `revision` is the SHA-256 (hex) of everything that influences a decision. `aliases` maps each
    alias that the project may use to its granted deployments in order.
    """

    revision: str
    project: str
    floor: Label
    taxonomy: Taxonomy
    relax: frozenset[str]
    reach_out: frozenset[str]
    aliases: Mapping[str, tuple[str, ...]]
    deployments: Mapping[str, DeploymentFacts]
    rules: tuple[CompiledRule, ...]  # the organisation's first, in document order
    never: tuple[r.Never, ...]
    targets: Mapping[str, tuple[Target, ...]]  # by alias
    _remembered: dict[tuple[str, str, Label], Remembered] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _live: dict[str, "CompiledPolicy"] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def with_live(self, key: str) -> "CompiledPolicy":
        """This policy with the shadow rule `key` in effect and all else as it is, made once.

        Its revision is its own: what it decides is never taken for what this one decides.
        """
        known = self._live.get(key)
        if known is None:
            rules = [
                replace(rule, shadow=False) if rule.key == key else rule for rule in self.rules
            ]
            revision = _revision(self.revision, key)
            known = self._live[key] = replace(self, revision=revision, rules=tuple(rules))
        return known

    def remembered(self, facts: RequestFacts, label: Label) -> Remembered:
        """The rules that endpoint, alias and label leave, worked out once for each of these."""
        place = (facts.alias, facts.endpoint, label)
        known = self._remembered.get(place)
        if known is None:
            if len(self._remembered) >= _REMEMBERED_LIMIT:
                self._remembered.clear()
            rules = [
                (rule.passing, rule)
                for rule in self.rules
                if rule.lasting is None or rule.lasting(facts, label)
            ]
            known = self._remembered[place] = Remembered(tuple(rules), {}, {})
        return known


def compile_policy(  # noqa: PLR0913 -- everything a decision depends on comes in by name
    *,
    organisation: r.PolicyDocument | None,
    project: r.PolicyDocument,
    project_slug: str,
    deployments: Mapping[str, DeploymentFacts],
    aliases: Mapping[str, Sequence[str]],
    grants: frozenset[str],
    taxonomy: Taxonomy | None = None,
) -> CompiledPolicy:
    """Compile both documents against the deployments that the project is granted.

    `taxonomy` is what the documents' categories raise or add to; None: the defaults. An alias
    may name deployments that are not granted; these are left out. Raises ValueError when a
    document lowers a category's minimum or belongs to another project. No I/O but reading a
    time zone that a condition names.
    """
    _check_kinds(organisation, project, project_slug)
    base = taxonomy if taxonomy is not None else Taxonomy()
    if organisation is not None:
        base = base.raised(dict(organisation.categories))
    merged = base.raised(dict(project.categories))
    usable = {
        alias: tuple(
            name for name in dict.fromkeys(names) if name in grants and name in deployments
        )
        for alias, names in aliases.items()
    }
    usable = {alias: names for alias, names in usable.items() if names}
    granted = {name: deployments[name] for name in sorted(set().union(*usable.values()))}
    bits = {name: 1 << place for place, name in enumerate(granted)}
    compiled = [
        compile_rule(rule, scope=scope, deployments=granted)
        for scope, document in ((ORGANISATION, organisation), (PROJECT, project))
        if document is not None
        for rule in document.rules
    ]
    floors = [project.floor if project.floor is not None else DEFAULT_PROJECT_FLOOR]
    if organisation is not None and organisation.floor is not None:
        floors.append(organisation.floor)
    documents = [document for document in (organisation, project) if document is not None]
    floor = merged.join(floors)
    reach_out = frozenset[str]().union(*(document.reach_out for document in documents))
    targets = {name: _target(facts, bits[name]) for name, facts in granted.items()}
    return CompiledPolicy(
        revision=_revision(
            project_slug,
            floor,
            merged.minimums,
            project.relax,
            reach_out,
            [(rule.key, rule.rule) for rule in compiled],
            usable,
            granted,
        ),
        project=project_slug,
        floor=floor,
        taxonomy=merged,
        relax=project.relax,
        reach_out=reach_out,
        aliases=MappingProxyType(usable),
        deployments=MappingProxyType(granted),
        rules=tuple(compiled),
        never=tuple(statement for document in documents for statement in document.never),
        targets=MappingProxyType(
            {alias: tuple(targets[name] for name in names) for alias, names in usable.items()}
        ),
    )


def _check_kinds(
    organisation: r.PolicyDocument | None, project: r.PolicyDocument, slug: str
) -> None:
    if organisation is not None and organisation.kind is not r.Kind.ORGANISATION:
        raise ValueError("the organisation's policy must be of kind organisation-policy")
    if project.kind is not r.Kind.PROJECT:
        raise ValueError(f"the policy of {slug!r} must be of kind project-policy")
    if project.project != slug:
        raise ValueError(f"the policy of {slug!r} says that it belongs to {project.project!r}")


def _target(facts: DeploymentFacts, bit: int) -> Target:
    return Target(
        name=facts.name,
        zone=facts.zone,
        bit=bit,
        on_prem=facts.zone is Zone.ON_PREM,
        enabled=facts.enabled,
        endpoints=facts.endpoints,
        modalities=facts.modalities,
        clearance=facts.clearance,
        valid_until=min(
            (item.valid_until for item in facts.evidence if item.valid_until is not None),
            default=None,
        ),
        too_sensitive=tuple(
            Dropped(
                facts.name,
                facts.zone,
                DropReason.SENSITIVITY,
                f"The content is {has.word}; {facts.name} may receive "
                f"{facts.clearance.sensitivity.word} at most.",
            )
            for has in Sensitivity
        ),
    )


def compile_rule(
    rule: r.Rule, *, scope: str, deployments: Mapping[str, DeploymentFacts]
) -> CompiledRule:
    """Compile one rule. The deployments' order in the mapping gives each its bit."""
    narrows = not isinstance(rule.then, r.Prefer)
    lasting, passing = split(rule.when, cautiously=narrows)
    ref = RuleRef(scope, rule.id)
    chosen = [facts for facts in deployments.values() if _affects(rule.then, facts)]
    bits = {name: 1 << place for place, name in enumerate(deployments)}
    return CompiledRule(
        ref=ref,
        key=ref.key,
        rule=rule,
        kind=_kind(rule.then),
        lasting=lasting,
        passing=passing,
        shadow=rule.shadow,
        targets=sum(bits[facts.name] for facts in chosen),
        drops=MappingProxyType(
            {bits[facts.name]: _drop(ref, rule.then, facts) for facts in chosen}
            if not isinstance(rule.then, r.Prefer)
            else {}
        ),
        modes=_modes(rule.then),
        rank=_ranks(rule.then, chosen, bits).__getitem__,
    )


def _affects(effect: r.Effect, facts: DeploymentFacts) -> bool:
    match effect:
        case r.Deny():
            return True
        case r.AllowOnly(selector):
            return not selector.selects(facts, unknown=False)
        case r.RequireApproval(selector) | r.Mask(selector=selector):
            return selector.selects(facts, unknown=True)
        case r.Prefer(names, None):
            return facts.name in names
        case r.Prefer(_, selector):
            return selector is not None and selector.selects(facts, unknown=False)


def _kind(effect: r.Effect) -> int:
    match effect:
        case r.Deny() | r.AllowOnly():
            return NARROW
        case r.RequireApproval():
            return APPROVAL
        case r.Mask():
            return MASK
        case r.Prefer():
            return PREFER


def _ranks(
    effect: r.Effect, preferred: Sequence[DeploymentFacts], bits: Mapping[str, int]
) -> dict[int, int]:
    if not isinstance(effect, r.Prefer):
        return {}
    ranks = dict.fromkeys(bits.values(), len(bits))
    for facts in preferred:
        ranks[bits[facts.name]] = (
            effect.names.index(facts.name) if facts.name in effect.names else 0
        )
    return ranks


def _modes(effect: r.Effect) -> tuple[tuple[str, MaskMode], ...]:
    if not isinstance(effect, r.Mask):
        return ()
    return tuple((name, effect.mode) for name in sorted(effect.names))


def _drop(ref: RuleRef, effect: r.Effect, facts: DeploymentFacts) -> Dropped:
    rule = f"The {ref.scope}'s rule {ref.id}"
    match effect:
        case r.Deny(message):
            reason = DropReason.RULE_DENY
            detail = f"{rule} denies this request" + (f": {message}" if message else ".")
        case r.AllowOnly():
            reason = DropReason.RULE_ALLOW_ONLY
            detail = f"{rule} does not allow {facts.name} for this request."
        case r.RequireApproval():
            reason = DropReason.APPROVAL_REQUIRED
            detail = f"{rule} wants an approval before {facts.name} receives this request."
        case _:
            reason = DropReason.MASKING_UNAVAILABLE
            detail = f"{rule} wants this masked for {facts.name}, and masking is not available."
    return Dropped(facts.name, facts.zone, reason, detail, ref)


def _revision(*parts: object) -> str:
    canonical = json.dumps(
        _canonical((ENGINE_VERSION, parts)), sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: object) -> object:
    """Plain data that is the same for equal values, in whatever order their sets were built."""
    if isinstance(value, Enum):
        return _canonical(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        # What equality does not look at decides nothing, so it has no part in the hash either.
        named = {
            item.name: _canonical(getattr(value, item.name))
            for item in fields(value)
            if item.compare
        }
        return [type(value).__name__, named]
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(_canonical, value), key=json.dumps)
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value.isoformat() if isinstance(value, date | time) else value
