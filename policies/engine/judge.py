"""One deployment and one request: may these bytes go there, as they are or masked?

INVARIANT: a `Candidate` is only made for bytes that passed `is_cleared`, whatever the rules say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Protocol

from policies.engine.compile import CompiledPolicy, CompiledRule, Target
from policies.engine.facts import NOTHING_CLEARED, Clearance, RequestFacts, Zone
from policies.engine.labels import Label, Sensitivity
from policies.engine.permit import (
    Candidate,
    Dropped,
    DropReason,
    MaskMode,
    RuleRef,
    strictest_mode,
)

_WORDS = tuple(member.word for member in Sensitivity)


class Masker(Protocol):
    """Replaces findings in the body and scans the result again."""

    def __call__(self, *, deployment: str, modes: tuple[tuple[str, MaskMode], ...]) -> Label:
        """The label of what recognizers find in the masked body, our placeholders excepted.

        `modes` says what to replace and how; see `permit.strictest_mode`. An exception drops
        the candidate.
        """
        ...


def is_cleared(label: Label, clearance: Clearance) -> bool:
    """The clearance check (semantic rule 2), the only place where it is made."""
    return label.sensitivity <= clearance.sensitivity and (
        clearance.categories is None or label.categories <= clearance.categories
    )


@dataclass(slots=True)
class Matches:
    """Which rules matched, sorted by what they do."""

    rules: list[RuleRef] = field(default_factory=list)
    shadow: list[RuleRef] = field(default_factory=list)
    suspended: list[RuleRef] = field(default_factory=list)
    narrowing: list[CompiledRule] = field(default_factory=list)
    approvals: list[CompiledRule] = field(default_factory=list)
    masks: list[CompiledRule] = field(default_factory=list)
    prefers: list[CompiledRule] = field(default_factory=list)


@dataclass(slots=True)
class Judge:
    """Judges one serving deployment at a time.

    The order of the checks is the order of the reasons given: what nobody can change first,
    then rules, then the clearance of the bytes, and an approval last, since asking for one
    only helps when nothing else is in the way.
    """

    policy: CompiledPolicy
    facts: RequestFacts
    label: Label
    matches: Matches
    masking: bool
    masker: Masker | None

    def verdict(self, target: Target) -> Candidate | Dropped:
        """The candidate with its b_d, or why there is none."""
        facts, bit = self.facts, target.bit
        if facts.on_prem_only_because and not target.on_prem:
            return _stopped(target, facts.on_prem_only_because)
        for rule in self.matches.narrowing:
            if rule.targets & bit:
                return rule.drops[bit]
        if facts.reach_out and not facts.reach_out <= self.policy.reach_out:
            return _reaches_out(target, facts.reach_out - self.policy.reach_out)
        clearance = _clearance_at(target, facts.now.date())
        verdict = self._bytes(target, clearance)
        if isinstance(verdict, Candidate):
            for rule in self.matches.approvals:
                if rule.targets & bit:
                    return rule.drops[bit]
        return verdict

    def _bytes(self, target: Target, clearance: Clearance) -> Candidate | Dropped:
        """Rule 2 over b_d: the bytes as labelled, or as they are after masking."""
        masks = [rule for rule in self.matches.masks if rule.targets & target.bit]
        if masks and self.facts.data_classes:
            modes = _union(masks)
            replaced = _replaced(self.facts, modes)
            if replaced:
                return self._masked(target, clearance, masks[0], modes, replaced)
        if is_cleared(self.label, clearance):
            return Candidate(target.name, target.zone, label=self.label)
        return _not_cleared(self.policy, target, self.label, clearance)

    def _masked(
        self,
        target: Target,
        clearance: Clearance,
        rule: CompiledRule,
        modes: tuple[tuple[str, MaskMode], ...],
        replaced: Mapping[str, MaskMode],
    ) -> Candidate | Dropped:
        unmaskable = _unmaskable(self.policy, self.facts, self.label)
        if not is_cleared(unmaskable, clearance):
            return _not_cleared(self.policy, target, unmaskable, clearance)
        if not self.masking:
            return rule.drops[target.bit]
        left = {
            name: count
            for name, count in self.facts.data_classes.items()
            if count > 0 and replaced.get(name, MaskMode.PARTIAL) is MaskMode.PARTIAL
        }
        parts = [unmaskable, *(_class_label(self.policy, self.facts, name) for name in left)]
        label = self.policy.taxonomy.join(parts)
        if not is_cleared(label, clearance):
            return _residue(target, left, rule)
        if self.masker is not None:
            try:
                parts.append(self.masker(deployment=target.name, modes=modes))
            except Exception:  # noqa: BLE001 -- a masker is foreign code: its failure drops
                return rule.drops[target.bit]
            label = self.policy.taxonomy.join(parts)
            if not is_cleared(label, clearance):
                return _residue(target, left, rule)
        return Candidate(
            target.name,
            target.zone,
            mask=frozenset(name for name, _ in modes),
            masked=sum(self.facts.data_classes[name] for name in replaced),
            label=label,
            modes=modes,
        )


def _clearance_at(target: Target, today: date) -> Clearance:
    if target.valid_until is not None and today > target.valid_until:
        return NOTHING_CLEARED
    return target.clearance


def _union(masks: list[CompiledRule]) -> tuple[tuple[str, MaskMode], ...]:
    """The union of what the rules mask, each name with the strictest of its modes."""
    strictest: dict[str, MaskMode] = {}
    for rule in masks:
        for name, mode in rule.modes:
            if name not in strictest or mode.strictness > strictest[name].strictness:
                strictest[name] = mode
    return tuple(sorted(strictest.items()))


def _replaced(facts: RequestFacts, modes: tuple[tuple[str, MaskMode], ...]) -> dict[str, MaskMode]:
    """The data classes present that the mask replaces, each with its mode."""
    found: dict[str, MaskMode] = {}
    for name, count in facts.data_classes.items():
        if count > 0:
            label = facts.class_labels.get(name)
            categories = label.categories if label is not None else frozenset()
            mode = strictest_mode(modes, name, categories)
            if mode is not None:
                found[name] = mode
    return found


def _class_label(policy: CompiledPolicy, facts: RequestFacts, name: str) -> Label:
    """What one finding of the class contributes; worst when nobody said."""
    return facts.class_labels.get(name, policy.taxonomy.worst)


def _unmaskable(policy: CompiledPolicy, facts: RequestFacts, label: Label) -> Label:
    """The part of the label that masking cannot take away.

    Floors, declared, inherited and opaque parts, and whatever of the label the findings do not
    account for: what cannot be explained stays.
    """
    join = policy.taxonomy.join
    base = join((facts.unmaskable, policy.floor))
    explained = join((base, *(facts.class_labels.get(name, base) for name in facts.data_classes)))
    if label.sensitivity > explained.sensitivity:
        return join((base, Label(label.sensitivity, label.categories - explained.categories)))
    return join((base, Label(categories=label.categories - explained.categories)))


def _stopped(target: Target, because: str) -> Dropped:
    if because == "snapshot_stale":
        return Dropped(
            target.name,
            target.zone,
            DropReason.SNAPSHOT_STALE,
            "The configuration could not be confirmed lately, so only on_prem is used.",
        )
    return Dropped(
        target.name,
        target.zone,
        DropReason.EGRESS_STOPPED,
        "Everything that leaves on_prem is stopped at the moment.",
    )


def _reaches_out(target: Target, acts: frozenset[str]) -> Dropped:
    detail = f"The request would let the model's server reach out ({_listed(acts)}), unallowed."
    return Dropped(target.name, target.zone, DropReason.REACHES_OUT, detail)


def _residue(target: Target, left: Mapping[str, int], rule: CompiledRule) -> Dropped:
    what = ", ".join(f"{count} {name}" for name, count in sorted(left.items()))
    detail = f"After masking, {what or 'something'} would still reach {target.name}."
    return Dropped(target.name, target.zone, DropReason.RESIDUE_AFTER_MASKING, detail, rule.ref)


def _not_cleared(
    policy: CompiledPolicy, target: Target, label: Label, clearance: Clearance
) -> Dropped:
    if clearance is NOTHING_CLEARED and is_cleared(label, target.clearance):
        detail = f"The evidence for the clearance of {target.name} has expired."
        return Dropped(target.name, target.zone, DropReason.EVIDENCE_EXPIRED, detail)
    if label.sensitivity > clearance.sensitivity:
        return _too_sensitive(target.name, target.zone, label.sensitivity, clearance.sensitivity)
    missing = label.categories - (clearance.categories or frozenset())
    return _uncleared_categories(
        target.name, target.zone, missing & policy.taxonomy.minimums.keys()
    )


@lru_cache(maxsize=1024)
def _too_sensitive(name: str, zone: Zone, has: int, may: int) -> Dropped:
    detail = f"The content is {_WORDS[has]}; {name} may receive {_WORDS[may]} at most."
    return Dropped(name, zone, DropReason.SENSITIVITY, detail)


@lru_cache(maxsize=1024)
def _uncleared_categories(name: str, zone: Zone, missing: frozenset[str]) -> Dropped:
    # Only names from the taxonomy: an unknown category is the caller's text.
    what = _listed(missing) or "an unknown category"
    return Dropped(name, zone, DropReason.CATEGORY, f"{name} is not cleared for {what}.")


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
