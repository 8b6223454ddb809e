"""The outcome of a decision. Whoever sends bytes out holds one, and sends only where it says.

INVARIANT: `candidates` is the complete list of (deployment, bytes) pairs that may be sent for
this digest until `expires_at`. Retries, fallbacks, hedges and caches draw from it and from
nothing else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from policies.engine.facts import Zone
from policies.engine.labels import PUBLIC, Label

LIFETIME = timedelta(seconds=30)


class DropReason(StrEnum):
    """Why a deployment that serves the alias may not receive this request."""

    DISABLED = "disabled"
    ENDPOINT = "endpoint"
    MODALITY = "modality"
    SENSITIVITY = "sensitivity"
    CATEGORY = "category"
    EVIDENCE_EXPIRED = "evidence_expired"
    RULE_DENY = "rule_deny"
    RULE_ALLOW_ONLY = "rule_allow_only"
    RULE_ERROR = "rule_error"
    APPROVAL_REQUIRED = "approval_required"
    MASKING_UNAVAILABLE = "masking_unavailable"
    RESIDUE_AFTER_MASKING = "residue_after_masking"
    REACHES_OUT = "reaches_out"
    EGRESS_STOPPED = "egress_stopped"
    SNAPSHOT_STALE = "snapshot_stale"
    BUDGET_EXHAUSTED = "budget_exhausted"


class MaskMode(StrEnum):
    """How a finding is replaced, the strictest first."""

    REMOVE = "remove"
    PLACEHOLDER = "placeholder"
    HASH = "hash"
    PARTIAL = "partial"  # part of the value stays: the finding keeps its category

    @property
    def strictness(self) -> int:
        """Higher is stricter; the strictest mode that any matching rule names wins."""
        return _STRICTNESS[self]


_STRICTNESS = {
    MaskMode.REMOVE: 3,
    MaskMode.PLACEHOLDER: 2,
    MaskMode.HASH: 1,
    MaskMode.PARTIAL: 0,
}


@lru_cache(maxsize=4096)
def strictest_mode(
    modes: tuple[tuple[str, MaskMode], ...], data_class: str, categories: frozenset[str]
) -> MaskMode | None:
    """How findings of `data_class` are replaced by a mask that names classes and categories.

    `categories` are those which one finding of the class contributes. None: not replaced.
    """
    found: MaskMode | None = None
    for name, mode in modes:
        if (name == data_class or name in categories) and (
            found is None or mode.strictness > found.strictness
        ):
            found = mode
    return found


@dataclass(frozen=True, slots=True)
class RuleRef:
    """A rule by where it was written (`organisation` or `project`) and its id."""

    scope: str
    id: str

    @property
    def key(self) -> str:
        """As records and `RequestFacts.suspended` write it: `project:health-stays`."""
        return f"{self.scope}:{self.id}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment that may receive the bytes, and what must be masked in them first.

    `mask` names the data classes and categories to replace; empty: the bytes as labelled.
    `masked` counts the findings that are replaced. `label` is b_d's, that is, after masking.
    `modes` says for each name in `mask` how; see `strictest_mode` for one finding.
    """

    deployment: str
    zone: Zone
    mask: frozenset[str] = frozenset()
    masked: int = 0
    label: Label = PUBLIC
    modes: tuple[tuple[str, MaskMode], ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A deployment that serves the alias and must not receive the request.

    `detail` is one sentence for people, without request content. `rule` is set when a rule
    dropped it.
    """

    deployment: str
    zone: Zone
    reason: DropReason
    detail: str
    rule: RuleRef | None = None


class Outcome(StrEnum):
    """What became of the request at the decision."""

    ALLOWED = "allowed"
    DENIED = "denied"  # candidates existed, none is left: 403
    UNKNOWN_ALIAS = "unknown_alias"  # rule 3: no deployment of the alias is granted or fits: 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A decision: see semantic rule 9. `allowed` false means that nothing may be sent."""

    decision_id: str
    digest: str
    outcome: Outcome
    label: Label
    revision: str  # hash of the compiled policy that decided
    candidates: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...]
    rules: tuple[RuleRef, ...]  # every rule that matched, in document order
    shadow: tuple[RuleRef, ...]  # matched, recorded, without effect
    suspended: tuple[RuleRef, ...] = ()  # matched, without effect: exception or approval
    issued_at: datetime
    expires_at: datetime
    error: str = ""  # which rule failed to evaluate, when one did

    @property
    def allowed(self) -> bool:
        """Whether any deployment may receive the bytes."""
        return bool(self.candidates)
