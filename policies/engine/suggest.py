"""The smallest change that would allow a denied request, found by asking `decide` again.

Changes are masking more, removing parts that nobody can read, an approval, another alias, and
what it takes of these together. Nothing here knows a rule of its own, and nothing is suggested
that was not decided: where a rule of the organisation keeps a deployment out whatever is changed,
there is nothing to say. No change lowers a floor or a declaration.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

from policies.engine import rules as r
from policies.engine.compile import PROJECT, CompiledPolicy, compile_rule
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts
from policies.engine.judge import Masker
from policies.engine.nouns import NOUNS, Nouns, counted, listed
from policies.engine.permit import (
    Candidate,
    DropReason,
    MaskMode,
    Outcome,
    Permit,
    RuleRef,
    strictest_mode,
)

# Classes and parts tried one by one when looking for the fewest; past this, all are named.
SINGLE_LIMIT = 16
MOST_DECISIONS = 400
MOST_SECONDS = 0.05


class Change(StrEnum):
    """What a suggestion would change."""

    MASK = "mask"
    REMOVE = "remove"
    APPROVAL = "approval"
    ALIAS = "alias"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A change, or several together, after which `decide` allows the request.

    `action` says it in a few words ("mask 2 e-mail addresses"), `sentence` in a sentence.
    `mask` counts by data class what would have to be masked besides what is masked anyway;
    `remove` names parts as they were given. `deployment` and `zone` say where the request would
    go first.
    """

    changes: tuple[Change, ...]
    action: str
    deployment: str
    zone: str
    alias: str = ""
    mask: Mapping[str, int] | None = None
    remove: tuple[str, ...] = ()
    approval: RuleRef | None = None

    @property
    def change(self) -> Change:
        """The only change, or `several`."""
        return self.changes[0] if len(self.changes) == 1 else Change.SEVERAL

    @property
    def sentence(self) -> str:
        """What to do, and where the request would go then."""
        return f"What would allow it: {self.action} (it then goes to {self.deployment})."

    def as_data(self) -> dict[str, object]:
        """The suggestion as plain data, for the error object."""
        data: dict[str, object] = {"change": self.change.value, "action": self.action}
        data |= {"sentence": self.sentence, "deployment": self.deployment, "zone": self.zone}
        if len(self.changes) > 1:
            data["changes"] = [change.value for change in self.changes]
        if self.alias:
            data["alias"] = self.alias
        if self.mask is not None:
            data["mask"] = dict(self.mask)
        if self.remove:
            data["remove"] = list(self.remove)
        if self.approval is not None:
            data["approval"] = self.approval.key
        return data


@dataclass(frozen=True, slots=True)
class Reduced:
    """The request without some of its parts: its facts, and who masks it."""

    facts: RequestFacts
    masker: Masker | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What could be removed: how people call each, and the request without those at some places.

    `without` gives None when that would be no request any more. It may be slow: it reads and
    scans again.
    """

    names: tuple[str, ...] = ()
    without: Callable[[frozenset[int]], Reduced | None] = lambda places: None


NO_PARTS = Parts()


@dataclass(frozen=True, slots=True)
class _Trial:
    """One change to try."""

    alias: str
    removed: frozenset[int] = frozenset()
    approved: RuleRef | None = None
    masked: frozenset[str] = frozenset()
    deployment: str = ""  # for which; empty: whichever comes first


class _Exhausted(Exception):
    """The bound on decisions or time is reached."""


def suggestions(  # noqa: PLR0913 -- one request has that many sides
    policy: CompiledPolicy,
    facts: RequestFacts,
    *,
    masking_available: bool = False,
    masker: Masker | None = None,
    parts: Parts = NO_PARTS,
    nouns: Nouns = NOUNS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Suggestion]:
    """What would allow a request that is denied as it is; nothing when it is allowed.

    `masking_available` and `masker` as they were given to `decide`. First what the caller can
    change alone, the fewest changes first; then another alias; then what wants an approval; and
    if none of these is enough, another alias with one change more. Where an error is in the way
    only another alias is tried. Bounded by MOST_DECISIONS and MOST_SECONDS (by `clock`): past
    either, what was found so far is all.
    """
    available = masking_available or masker is not None
    search = _Search(policy, Reduced(facts, masker), available, parts, nouns, clock)
    try:
        yield from search.run()
    except _Exhausted:
        return


def smallest_change(
    policy: CompiledPolicy,
    facts: RequestFacts,
    *,
    masking_available: bool = False,
    nouns: Nouns = NOUNS,
) -> Suggestion | None:
    """The first of `suggestions`; None when nothing that it knows would help."""
    return next(suggestions(policy, facts, masking_available=masking_available, nouns=nouns), None)


# What the caller can do alone, and what somebody else must agree to; the fewest first.
_ALONE = ((Change.MASK,), (Change.REMOVE,), (Change.REMOVE, Change.MASK))
_WITH_OTHERS = (
    (Change.APPROVAL,),
    (Change.MASK, Change.APPROVAL),
    (Change.REMOVE, Change.APPROVAL),
    (Change.REMOVE, Change.MASK, Change.APPROVAL),
)
_BEYOND_MASKING = frozenset(
    {
        DropReason.DISABLED,
        DropReason.ENDPOINT,
        DropReason.MODALITY,
        DropReason.REACHES_OUT,
        DropReason.EGRESS_STOPPED,
        DropReason.SNAPSHOT_STALE,
        DropReason.EVIDENCE_EXPIRED,
    }
)


class _Search:
    """One search, with what it has decided so far."""

    def __init__(
        self,
        policy: CompiledPolicy,
        whole: Reduced,
        masking_available: bool,
        parts: Parts,
        nouns: Nouns,
        clock: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._whole = whole
        self._masking_available = masking_available
        self._parts = parts
        self._nouns = nouns
        self._clock = clock
        self._until = clock() + MOST_SECONDS
        self._left = MOST_DECISIONS
        self._reduced: dict[frozenset[int], Reduced | None] = {frozenset(): self._whole}

    def run(self) -> Iterator[Suggestion]:
        """See `suggestions`."""
        asked = self._whole.facts.alias
        permit = self._decide(_Trial(asked))
        if permit is None or permit.outcome is Outcome.ALLOWED:
            return
        changeable = not permit.error and permit.outcome is Outcome.DENIED
        keeping: list[set[Change]] = []
        if changeable:
            yield from self._keeping(asked, _ALONE, keeping)
        others = [alias for alias in self._policy.aliases if alias != asked]
        found = [each for alias in others for each in self._with(alias, ())]
        yield from found
        if changeable:
            yield from self._keeping(asked, _WITH_OTHERS, keeping)
        if not found and not keeping and not permit.error:
            for alias, kind in product(others, (Change.MASK, Change.REMOVE, Change.APPROVAL)):
                yield from self._with(alias, (kind,))

    def _keeping(
        self, alias: str, combined: Sequence[tuple[Change, ...]], keeping: list[set[Change]]
    ) -> Iterator[Suggestion]:
        """Changes that keep the alias, but for those of which a part is enough."""
        for kinds in combined:
            if any(known <= set(kinds) for known in keeping):
                continue
            found = list(self._with(alias, kinds))
            if found:
                keeping.append(set(kinds))
            yield from found

    def _with(self, alias: str, kinds: Sequence[Change]) -> Iterator[Suggestion]:
        """The smallest changes of exactly these kinds; one for each deployment where masking is
        among them."""
        trial = _Trial(alias)
        if Change.REMOVE in kinds:
            everything = frozenset(range(len(self._parts.names)))
            if not everything or self._reduce(everything) is None:
                return
            trial = replace(trial, removed=everything)
        for approved in self._approvals(trial) if Change.APPROVAL in kinds else (None,):
            granted = replace(trial, approved=approved)
            tried = self._maskings(granted) if Change.MASK in kinds else iter((granted,))
            for each in tried:
                found = self._candidate(each)
                if found is not None:
                    yield self._suggestion(*self._smallest(each, found), kinds)

    def _approvals(self, trial: _Trial) -> list[RuleRef]:
        """The rules that want an approval, once masking is out of the way."""
        reduced = self._reduce(trial.removed)
        if reduced is None:
            return []
        wanting = [
            rule.ref
            for rule in self._policy.rules
            if isinstance(rule.rule.then, r.RequireApproval) and not rule.shadow
        ]
        permit = self._decide(trial)
        matched = permit.rules if permit is not None else ()
        return [ref for ref in wanting if ref in matched]

    def _maskings(self, trial: _Trial) -> Iterator[_Trial]:
        """Masking everything, for each deployment that masking might open."""
        reduced = self._reduce(trial.removed)
        present = _present(reduced.facts) if reduced is not None else []
        permit = self._decide(trial)
        if not present or permit is None:
            return
        for dropped in permit.dropped:
            if dropped.reason not in _BEYOND_MASKING:
                yield replace(trial, masked=frozenset(present), deployment=dropped.deployment)

    def _smallest(self, trial: _Trial, found: Candidate) -> tuple[_Trial, Candidate]:
        """The trial with every part and class taken out again that it can do without."""
        if trial.masked and not self._masking_available:
            # The rules' own masks, where they suffice and only nobody is there to apply them.
            own = self._candidate(replace(trial, masked=frozenset()), masking=True)
            if own is not None and own.modes:
                facts = self._facts(trial)
                masked = [name for name in _present(facts) if _mode(own.modes, facts, name)]
                return replace(trial, masked=frozenset(masked)), own
        for name in sorted(trial.masked) if len(trial.masked) <= SINGLE_LIMIT else ():
            fewer = replace(trial, masked=trial.masked - {name})
            candidate = self._candidate(fewer)
            if candidate is not None and fewer.masked:
                trial, found = fewer, candidate
        for place in sorted(trial.removed) if len(trial.removed) <= SINGLE_LIMIT else ():
            fewer = replace(trial, removed=trial.removed - {place})
            candidate = self._candidate(fewer) if fewer.removed else None
            if candidate is not None:
                trial, found = fewer, candidate
        return trial, found

    def _candidate(self, trial: _Trial, *, masking: bool = False) -> Candidate | None:
        """Who would receive it first, or the deployment that the trial names."""
        permit = self._decide(trial, masking=masking)
        if permit is None:
            return None
        wanted = trial.deployment
        return next((c for c in permit.candidates if not wanted or c.deployment == wanted), None)

    def _decide(self, trial: _Trial, *, masking: bool = False) -> Permit | None:
        if self._left <= 0 or self._clock() > self._until:
            raise _Exhausted
        self._left -= 1
        reduced = self._reduce(trial.removed)
        if reduced is None:
            return None
        policy, facts = self._policy, replace(reduced.facts, alias=trial.alias)
        if trial.approved is not None:
            facts = replace(facts, suspended=facts.suspended | {trial.approved.key})
        if trial.masked:
            only = r.Selector(deployments=frozenset({trial.deployment}))
            rule = r.Rule("suggestion", r.Mask(trial.masked, only))
            compiled = compile_rule(rule, scope=PROJECT, deployments=policy.deployments)
            policy = replace(policy, rules=(*policy.rules, compiled))
        # Whoever masks what is suggested, the rules or the caller, can mask.
        available = masking or self._masking_available or bool(trial.masked)
        return decide(policy, facts, masking_available=available, masker=reduced.masker)

    def _reduce(self, removed: frozenset[int]) -> Reduced | None:
        if removed not in self._reduced:
            self._reduced[removed] = self._parts.without(removed)
        return self._reduced[removed]

    def _facts(self, trial: _Trial) -> RequestFacts:
        reduced = self._reduce(trial.removed)
        assert reduced is not None  # noqa: S101 -- it was decided before
        return reduced.facts

    def _suggestion(self, trial: _Trial, found: Candidate, kinds: Sequence[Change]) -> Suggestion:
        facts = self._facts(trial)
        masked = {name: facts.data_classes[name] for name in sorted(trial.masked)}
        removed = tuple(self._parts.names[place] for place in sorted(trial.removed))
        words = []
        if trial.alias != self._whole.facts.alias:
            words.append(f"use model {trial.alias}")
        if removed:
            words.append(f"remove {listed(removed)}")
        if masked:
            also = "also " if self._masks_already(trial) else ""
            what = listed([counted(name, count, self._nouns) for name, count in masked.items()])
            words.append(f"{also}mask {what}")
        if trial.approved is not None:
            words.append(f"ask for an approval of rule {trial.approved.id}")
        other = trial.alias != self._whole.facts.alias
        return Suggestion(
            changes=((Change.ALIAS,) if other else ()) + tuple(kinds),
            action=", and ".join(words),
            deployment=found.deployment,
            zone=found.zone.value,
            alias=trial.alias if other else "",
            mask=masked or None,
            remove=removed,
            approval=trial.approved,
        )

    def _masks_already(self, trial: _Trial) -> bool:
        permit = self._decide(replace(trial, masked=frozenset()))
        return permit is not None and any(
            dropped.deployment == trial.deployment
            and dropped.reason is DropReason.RESIDUE_AFTER_MASKING
            for dropped in permit.dropped
        )


def _present(facts: RequestFacts) -> list[str]:
    return sorted(name for name, count in facts.data_classes.items() if count > 0)


def _mode(
    modes: tuple[tuple[str, MaskMode], ...], facts: RequestFacts, name: str
) -> MaskMode | None:
    label = facts.class_labels.get(name)
    return strictest_mode(modes, name, label.categories if label is not None else frozenset())
