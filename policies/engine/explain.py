"""A decision in plain sentences, and the smallest change that would allow a denied request.

Suggestions are found by asking `decide` again; nothing here knows a rule of its own. Sentences
name classes, counts, rules and deployments, never content.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from policies.engine import rules as r
from policies.engine.compile import PROJECT, CompiledPolicy, compile_rule
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts
from policies.engine.labels import Label
from policies.engine.permit import (
    Candidate,
    DropReason,
    MaskMode,
    Outcome,
    Permit,
    RuleRef,
    strictest_mode,
)

# Classes tried one by one when looking for the fewest to mask; past this, all are named.
CLASSES_LIMIT = 16

# What people call a data class: (one, several). Others are spelt out from their name.
NOUNS: Mapping[str, tuple[str, str]] = {
    "EMAIL_ADDRESS": ("e-mail address", "e-mail addresses"),
    "PERSON_NAME": ("name", "names"),
    "PHONE_NUMBER": ("phone number", "phone numbers"),
    "IBAN": ("IBAN", "IBANs"),
    "PAYMENT_CARD": ("payment card number", "payment card numbers"),
    "CREDIT_CARD": ("payment card number", "payment card numbers"),
    "US_SSN": ("US social security number", "US social security numbers"),
    "IP_ADDRESS": ("IP address", "IP addresses"),
    "MAC_ADDRESS": ("MAC address", "MAC addresses"),
    "JWT": ("JSON web token", "JSON web tokens"),
    "SOURCE_CODE": ("piece of source code", "pieces of source code"),
}


def counted(data_class: str, count: int, nouns: Mapping[str, tuple[str, str]] = NOUNS) -> str:
    """`2 e-mail addresses`."""
    plain = data_class.lower().replace("_", " ")
    one, several = nouns.get(data_class, (plain, f"{plain}s"))
    return f"{count} {one if count == 1 else several}"


class Change(StrEnum):
    """What a suggestion would change."""

    MASK = "mask"
    ALIAS = "alias"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One change after which `decide` allows the request.

    `action` says it in a few words ("mask 2 e-mail addresses"), `sentence` in a sentence.
    `mask` counts by data class what would have to be masked besides what is masked anyway.
    `deployment` and `zone` say where the request would go first.
    """

    change: Change
    action: str
    deployment: str
    zone: str
    alias: str = ""
    mask: Mapping[str, int] | None = None
    approval: RuleRef | None = None

    @property
    def sentence(self) -> str:
        """What to do, and where the request would go then."""
        return f"What would allow it: {self.action} (it then goes to {self.deployment})."

    def as_data(self) -> dict[str, object]:
        """The suggestion as plain data, for the error object."""
        data: dict[str, object] = {"change": self.change.value, "action": self.action}
        data |= {"sentence": self.sentence, "deployment": self.deployment, "zone": self.zone}
        if self.alias:
            data["alias"] = self.alias
        if self.mask is not None:
            data["mask"] = dict(self.mask)
        if self.approval is not None:
            data["approval"] = self.approval.key
        return data


@dataclass(frozen=True, slots=True)
class Explanation:
    """A permit in sentences."""

    outcome: str
    label: str
    rules: tuple[str, ...]
    chosen: tuple[str, ...]  # of each candidate, in order
    dropped: tuple[str, ...]  # of each dropped deployment

    def lines(self) -> tuple[str, ...]:
        """All sentences in reading order."""
        return (self.outcome, self.label, *self.rules, *self.chosen, *self.dropped)


def explain(policy: CompiledPolicy, facts: RequestFacts, permit: Permit) -> Explanation:
    """Say why each deployment was chosen or dropped. Total; no I/O."""
    return Explanation(
        outcome=_outcome(permit, facts),
        label=f"The request is {describe(permit.label)}.",
        rules=tuple(_rules(policy, permit)),
        chosen=tuple(_chosen(policy, permit)),
        dropped=tuple(f"{item.deployment}: {item.detail}" for item in permit.dropped),
    )


def describe(label: Label) -> str:
    """`confidential (code, personal)`."""
    categories = f" ({', '.join(sorted(label.categories))})" if label.categories else ""
    return label.sensitivity.word + categories


def _outcome(permit: Permit, facts: RequestFacts) -> str:
    if permit.outcome is Outcome.UNKNOWN_ALIAS:
        return f"No deployment that this project may use serves the model {facts.alias} here."
    if permit.error:
        return f"Nothing may be sent: {permit.error} could not be evaluated."
    if not permit.candidates:
        return f"Nothing that serves {facts.alias} may receive this request."
    first = permit.candidates[0]
    return f"The request goes to {first.deployment} ({first.zone.value})."


def _rules(policy: CompiledPolicy, permit: Permit) -> Iterator[str]:
    for refs, effect in (
        (permit.rules, "applies"),
        (permit.suspended, "matches, and is suspended by an exception or an approval"),
        (permit.shadow, "matches, and is only recorded (shadow)"),
    ):
        for ref in refs:
            yield f"The {ref.scope}'s rule {ref.id} {effect}."


def _chosen(policy: CompiledPolicy, permit: Permit) -> Iterator[str]:
    prefers = {
        rule.ref: rule.rule.then for rule in policy.rules if isinstance(rule.rule.then, r.Prefer)
    }
    for place, candidate in enumerate(permit.candidates):
        name = candidate.deployment
        facts = policy.deployments[name]
        ranked = [
            ref.id
            for ref in permit.rules
            if (then := prefers.get(ref)) is not None
            and (
                name in then.names
                or (then.selector is not None and then.selector.selects(facts, unknown=False))
            )
        ]
        why = f"preferred by {', '.join(ranked)}" if ranked else "by the alias's order"
        masked = f" after masking {_findings(candidate.masked)}" if candidate.mask else ""
        yield (
            f"{place + 1}. {name} ({candidate.zone.value}) may receive it{masked} as "
            f"{describe(candidate.label)}; {why}."
        )


def _findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"


def smallest_change(
    policy: CompiledPolicy,
    facts: RequestFacts,
    *,
    masking_available: bool = False,
    nouns: Mapping[str, tuple[str, str]] = NOUNS,
) -> Suggestion | None:
    """The first of `suggestions`; None when nothing that it knows would help."""
    return next(suggestions(policy, facts, masking_available=masking_available, nouns=nouns), None)


def suggestions(
    policy: CompiledPolicy,
    facts: RequestFacts,
    *,
    masking_available: bool = False,
    nouns: Mapping[str, tuple[str, str]] = NOUNS,
) -> Iterator[Suggestion]:
    """What would allow a request that is denied as it is; nothing when it is allowed.

    First masking more (it keeps what was asked for), then another alias, then an approval.
    Where an error, a stopped egress or an unallowed reach-out is in the way, only another alias
    is tried. Bounded: at most (classes + 2) decisions per deployment of the alias, one per alias
    and one per rule that wants an approval.
    """
    permit = decide(policy, facts, masking_available=masking_available)
    if permit.outcome is Outcome.ALLOWED:
        return
    if permit.outcome is Outcome.DENIED and not permit.error:
        yield from _masks(policy, facts, permit, nouns)
    yield from _aliases(policy, facts, masking_available=masking_available)
    if permit.outcome is Outcome.DENIED and not permit.error:
        yield from _approvals(policy, facts, permit, masking_available=masking_available)


_MASKABLE = frozenset(
    {
        DropReason.SENSITIVITY,
        DropReason.CATEGORY,
        DropReason.RESIDUE_AFTER_MASKING,
        DropReason.MASKING_UNAVAILABLE,
    }
)


def _masks(
    policy: CompiledPolicy,
    facts: RequestFacts,
    permit: Permit,
    nouns: Mapping[str, tuple[str, str]],
) -> Iterator[Suggestion]:
    """For each deployment that only findings keep away: the fewest classes to mask."""
    present = sorted(name for name, count in facts.data_classes.items() if count > 0)
    for dropped in permit.dropped:
        if dropped.reason not in _MASKABLE:
            continue
        needed = _fewest(policy, facts, present, dropped.deployment)
        if not needed:
            continue
        also = "also " if dropped.reason is DropReason.RESIDUE_AFTER_MASKING else ""
        what = _and([counted(name, facts.data_classes[name], nouns) for name in needed])
        yield Suggestion(
            change=Change.MASK,
            action=f"{also}mask {what}",
            deployment=dropped.deployment,
            zone=dropped.zone.value,
            mask={name: facts.data_classes[name] for name in needed},
        )


def _fewest(
    policy: CompiledPolicy, facts: RequestFacts, present: list[str], deployment: str
) -> list[str]:
    """The classes to mask so that the deployment may receive the rest; empty: masking fails.

    Where the rules' own masks suffice, and only nobody is there to apply them, it is theirs.
    """
    own = _with_mask(policy, facts, frozenset(), deployment)
    if own is not None:
        return [name for name in present if _mode(own.modes, facts, name) is not None]
    if _with_mask(policy, facts, frozenset(present), deployment) is None:
        return []
    needed = list(present)
    for name in present if len(present) <= CLASSES_LIMIT else ():
        if _with_mask(policy, facts, frozenset(needed) - {name}, deployment) is not None:
            needed.remove(name)
    return needed


def _mode(
    modes: tuple[tuple[str, MaskMode], ...], facts: RequestFacts, name: str
) -> MaskMode | None:
    label = facts.class_labels.get(name)
    return strictest_mode(modes, name, label.categories if label is not None else frozenset())


def _with_mask(
    policy: CompiledPolicy, facts: RequestFacts, names: frozenset[str], deployment: str
) -> Candidate | None:
    """What the deployment would receive if these classes were masked for it too."""
    if names:
        rule = r.Rule("suggestion", r.Mask(names, r.Selector(deployments=frozenset({deployment}))))
        compiled = compile_rule(rule, scope=PROJECT, deployments=policy.deployments)
        policy = replace(policy, rules=(*policy.rules, compiled))
    permit = decide(policy, facts, masking_available=True)
    return next((item for item in permit.candidates if item.deployment == deployment), None)


def _aliases(
    policy: CompiledPolicy, facts: RequestFacts, *, masking_available: bool
) -> Iterator[Suggestion]:
    for alias in policy.aliases:
        if alias == facts.alias:
            continue
        permit = decide(policy, replace(facts, alias=alias), masking_available=masking_available)
        if permit.candidates:
            first = permit.candidates[0]
            yield Suggestion(
                change=Change.ALIAS,
                action=f"use model {alias}",
                deployment=first.deployment,
                zone=first.zone.value,
                alias=alias,
            )


def _approvals(
    policy: CompiledPolicy, facts: RequestFacts, permit: Permit, *, masking_available: bool
) -> Iterator[Suggestion]:
    tried: set[RuleRef] = set()
    for dropped in permit.dropped:
        rule = dropped.rule
        if dropped.reason is not DropReason.APPROVAL_REQUIRED or rule is None or rule in tried:
            continue
        tried.add(rule)
        granted = replace(facts, suspended=facts.suspended | {rule.key})
        after = decide(policy, granted, masking_available=masking_available)
        if after.candidates:
            first = after.candidates[0]
            yield Suggestion(
                change=Change.APPROVAL,
                action=f"ask for an approval of rule {rule.id}",
                deployment=first.deployment,
                zone=first.zone.value,
                approval=rule,
            )


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
