"""One deployment and one request: may these bytes go there, as they are or masked?

INVARIANT: a `Candidate` is only made for bytes that passed `is_cleared`, whatever the rules say.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from policies.engine.compile import CompiledPolicy, CompiledRule, Remembered, Target
from policies.engine.facts import NOTHING_CLEARED, Clearance, RequestFacts, Zone
from policies.engine.labels import Label
from policies.engine.permit import (
    Candidate,
    Dropped,
    DropReason,
    MaskMode,
    RuleRef,
    strictest_mode,
)

_NOTHING: frozenset[str] = frozenset()
_PARTIAL = MaskMode.PARTIAL
# Remembered for each endpoint, alias and label, and for each of these maskings.
_MASKINGS_LIMIT = 64
_CANDIDATES_LIMIT = 256


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
    """Which rules matched; those with an effect sorted by its kind, each in document order."""

    rules: list[RuleRef] = field(default_factory=list)
    shadow: list[RuleRef] = field(default_factory=list)
    suspended: list[RuleRef] = field(default_factory=list)
    by_kind: tuple[list[CompiledRule], ...] = field(default_factory=lambda: ([], [], [], []))


@dataclass(slots=True)
class _Masking:
    """What one set of mask rules does to this request, for whichever deployment."""

    rule: CompiledRule  # the first of them
    modes: tuple[tuple[str, MaskMode], ...]
    mask: frozenset[str]
    replaced: tuple[str, ...]  # classes of which there are findings
    left: tuple[str, ...]  # and those of which masking leaves something
    unmaskable: Label
    label: Label  # b_d's, as far as the findings tell
    # For that label, by bit and number of findings replaced.
    candidates: dict[tuple[int, int], Candidate] = field(default_factory=dict)


class Judge:
    """Judges one serving deployment at a time.

    The order of the checks is the order of the reasons given: what nobody can change first,
    then rules, then the clearance of the bytes, and an approval last, since asking for one
    only helps when nothing else is in the way.
    """

    __slots__ = (
        "_approvals",
        "_facts",
        "_label",
        "_masker",
        "_masking_available",
        "_maskings",
        "_masks",
        "_narrowing",
        "_policy",
        "_remembered",
        "_unallowed",
    )

    def __init__(  # noqa: PLR0913 -- one request has that many sides
        self,
        policy: CompiledPolicy,
        facts: RequestFacts,
        label: Label,
        matches: Matches,
        remembered: Remembered,
        *,
        masking_available: bool,
        masker: Masker | None,
    ) -> None:
        self._policy = policy
        self._facts = facts
        self._label = label
        self._remembered = remembered
        self._narrowing, self._approvals, masks, _ = matches.by_kind
        self._masks = masks if facts.data_classes or facts.unread else []
        self._masking_available = masking_available
        self._masker = masker
        self._maskings: dict[int, _Masking] = {}
        self._unallowed = facts.reach_out - policy.reach_out

    def verdict(self, target: Target) -> Candidate | Dropped:
        """The candidate with its b_d, or why there is none."""
        bit = target.bit
        if self._facts.on_prem_only_because and not target.on_prem:
            return _stopped(target, self._facts.on_prem_only_because)
        for rule in self._narrowing:
            if rule.targets & bit:
                return rule.drops[bit]
        if self._unallowed:
            return _reaches_out(target, self._unallowed)
        verdict = self._cleared(target)
        if self._approvals and isinstance(verdict, Candidate):
            for rule in self._approvals:
                if rule.targets & bit:
                    return rule.drops[bit]
        return verdict

    def _cleared(self, target: Target) -> Candidate | Dropped:
        """Rule 2 over b_d: the bytes as labelled, or as they are after masking."""
        clearance = target.clearance
        if target.valid_until is not None and self._facts.now.date() > target.valid_until:
            clearance = NOTHING_CLEARED
        masking = self._masking(target.bit) if self._masks else None
        if masking is not None and self._facts.unread:
            # Nobody knows what there would be to mask, and what is masked for a deployment never
            # reaches it raw, even if it is cleared for that.
            return masking.rule.drops[target.bit]
        if masking is not None and masking.replaced:
            return self._masked(target, clearance, masking)
        if is_cleared(self._label, clearance):
            raw = self._remembered.raw.get(target.bit)
            if raw is None:
                raw = Candidate(target.name, target.zone, label=self._label)
                self._remembered.raw[target.bit] = raw
            return raw
        return _not_cleared(self._policy, target, self._label, clearance)

    def _masking(self, bit: int) -> _Masking | None:
        """What is masked for the deployment; worked out once for each set of mask rules."""
        masks = self._masks
        chosen = 0
        for place, rule in enumerate(masks):
            if rule.targets & bit:
                chosen |= 1 << place
        if not chosen:
            return None
        known = self._maskings.get(chosen)
        if known is None:
            rules = [rule for place, rule in enumerate(masks) if chosen >> place & 1]
            known = self._maskings[chosen] = self._plan(rules)
        return known

    def _plan(self, rules: list[CompiledRule]) -> _Masking:
        """`_plan`, remembered: everything that it looks at is in the key or implied by it."""
        facts, maskings = self._facts, self._remembered.maskings
        labels = facts.class_labels
        present = tuple([name for name, count in facts.data_classes.items() if count > 0])
        key = (
            tuple([id(rule) for rule in rules]),  # the policy keeps them alive
            present,
            tuple([labels.get(name) for name in present]),
            facts.unmaskable,
        )
        known = maskings.get(key)
        if not isinstance(known, _Masking):
            if len(maskings) >= _MASKINGS_LIMIT:
                maskings.clear()
            known = maskings[key] = _plan(self._policy, facts, self._label, rules, present)
        return known

    def _masked(
        self, target: Target, clearance: Clearance, masking: _Masking
    ) -> Candidate | Dropped:
        """Rule 2 over b_d as it is after masking: the raw bytes are out of the question."""
        if self._masking_available and is_cleared(masking.label, clearance):
            if self._masker is not None:
                return self._scanned_again(self._masker, target, clearance, masking)
            place = (target.bit, self._count(masking))
            known = masking.candidates.get(place)
            if known is None:
                if len(masking.candidates) >= _CANDIDATES_LIMIT:
                    masking.candidates.clear()
                known = self._candidate(target, masking, masking.label)
                masking.candidates[place] = known
            return known
        if not is_cleared(masking.unmaskable, clearance):
            return _not_cleared(self._policy, target, masking.unmaskable, clearance)
        if not self._masking_available:
            return masking.rule.drops[target.bit]
        return _residue(target, masking, self._facts)

    def _scanned_again(
        self, masker: Masker, target: Target, clearance: Clearance, masking: _Masking
    ) -> Candidate | Dropped:
        try:
            found = masker(deployment=target.name, modes=masking.modes)
        except Exception:  # noqa: BLE001 -- a masker is foreign code: its failure drops
            return masking.rule.drops[target.bit]
        label = self._policy.taxonomy.join((masking.label, found))
        if not is_cleared(label, clearance):
            return _residue(target, masking, self._facts)
        return self._candidate(target, masking, label)

    def _candidate(self, target: Target, masking: _Masking, label: Label) -> Candidate:
        masked = self._count(masking)
        return Candidate(target.name, target.zone, masking.mask, masked, label, masking.modes)

    def _count(self, masking: _Masking) -> int:
        counts = self._facts.data_classes
        return sum([counts[name] for name in masking.replaced])


Modes = tuple[tuple[str, MaskMode], ...]


@lru_cache(maxsize=256)
def _strictest(masks: tuple[Modes, ...]) -> tuple[Modes, frozenset[str]]:
    """The union of several masks, each name with the strictest of its modes, and the names."""
    strictest: dict[str, MaskMode] = {}
    for modes in masks:
        for name, mode in modes:
            if name not in strictest or mode.strictness > strictest[name].strictness:
                strictest[name] = mode
    return tuple(sorted(strictest.items())), frozenset(strictest)


def _plan(
    policy: CompiledPolicy,
    facts: RequestFacts,
    label: Label,
    rules: list[CompiledRule],
    present: tuple[str, ...],
) -> _Masking:
    """The union of what the rules mask, and what that leaves (semantic rule 5)."""
    modes, names = _strictest(tuple([rule.modes for rule in rules]))
    replaced: list[str] = []
    left: list[str] = []
    contributed: list[Label] = []
    staying: list[Label] = []
    for name in present:
        contributes = facts.class_labels.get(name)
        if contributes is not None:
            contributed.append(contributes)
            mode = strictest_mode(modes, name, contributes.categories)
        else:
            # A class that nobody gave a label for contributes the worst one.
            contributes = policy.taxonomy.worst
            mode = strictest_mode(modes, name, _NOTHING)
        if mode is not None:
            replaced.append(name)
        if mode is None or mode is _PARTIAL:
            left.append(name)
            staying.append(contributes)
    unmaskable = _unmaskable(policy, facts, label, contributed)
    staying.append(unmaskable)
    return _Masking(
        rules[0],
        modes,
        names,
        tuple(replaced),
        tuple(left),
        unmaskable,
        policy.taxonomy.join(staying),
    )


def _unmaskable(
    policy: CompiledPolicy, facts: RequestFacts, label: Label, contributed: list[Label]
) -> Label:
    """The part of the label that masking cannot take away.

    Floors, declared, inherited and opaque parts, and whatever of the label the findings do not
    account for: what cannot be explained stays.
    """
    join = policy.taxonomy.join
    base = join((facts.unmaskable, policy.floor))
    explained = join([base, *contributed])
    categories = label.categories - explained.categories
    if label.sensitivity > explained.sensitivity:
        return join((base, Label(label.sensitivity, categories)))
    return join((base, Label(categories=categories))) if categories else base


def _stopped(target: Target, because: str) -> Dropped:
    if because == "snapshot_stale":
        reason = DropReason.SNAPSHOT_STALE
        detail = "The configuration could not be confirmed lately, so only on_prem is used."
    elif because == "budget_exhausted":
        reason = DropReason.BUDGET_EXHAUSTED
        detail = "A budget is used up, so only on_prem is used."
    else:
        reason = DropReason.EGRESS_STOPPED
        detail = "Everything that leaves on_prem is stopped at the moment."
    return Dropped(target.name, target.zone, reason, detail)


def _reaches_out(target: Target, acts: frozenset[str]) -> Dropped:
    detail = f"The model's server would reach out ({_listed(acts)}), and no policy allows that."
    return Dropped(target.name, target.zone, DropReason.REACHES_OUT, detail)


def _residue(target: Target, masking: _Masking, facts: RequestFacts) -> Dropped:
    what = ", ".join(f"{facts.data_classes[name]} {name}" for name in sorted(masking.left))
    detail = f"After masking, {what or 'a finding'} would still reach {target.name}."
    reason = DropReason.RESIDUE_AFTER_MASKING
    return Dropped(target.name, target.zone, reason, detail, masking.rule.ref)


def _not_cleared(
    policy: CompiledPolicy, target: Target, label: Label, clearance: Clearance
) -> Dropped:
    if clearance is not target.clearance and is_cleared(label, target.clearance):
        detail = f"The evidence for the clearance of {target.name} has expired."
        return Dropped(target.name, target.zone, DropReason.EVIDENCE_EXPIRED, detail)
    if label.sensitivity > target.clearance.sensitivity:
        return target.too_sensitive[label.sensitivity]
    missing = label.categories - (target.clearance.categories or frozenset())
    return _missing(target.name, target.zone, missing.intersection(policy.taxonomy.minimums))


@lru_cache(maxsize=1024)
def _missing(name: str, zone: Zone, missing: frozenset[str]) -> Dropped:
    # Only names from the taxonomy: an unknown category is the caller's text.
    what = _listed(missing) or "an unknown category"
    return Dropped(name, zone, DropReason.CATEGORY, f"{name} is not cleared for {what}.")


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
