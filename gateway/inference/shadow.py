"""What is in shadow, decided beside the policy in effect. It is recorded and does nothing else.

A whole policy in its place, or the policy in effect with one of its shadow rules in effect, too.

INVARIANT: nothing here reaches the request: what fails is recorded as `error`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.inference.contracts import Analyser, Principal, ProjectView
from gateway.inference.label import UNREAD, Labelled, label_request
from gateway.inference.masking import Modes, RequestMasking
from gateway.protocol.requests import RelayRequest
from policies.classification.findings import Analysis
from policies.engine.decide import CompiledPolicy, decide
from policies.engine.facts import RequestFacts
from policies.engine.labels import PUBLIC, Label
from policies.engine.permit import Permit, strictest_mode

FAILED = "error"
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowDecision:
    """What the policy in shadow would have done. `deployment`: its first candidate, or empty.

    `masks`: how that candidate's bytes would be masked, by the data class found.
    """

    revision: str  # of the compiled policy, as in a permit
    outcome: str  # as policies.engine.permit.Outcome, or `error`
    deployment: str = ""
    rules: tuple[str, ...] = ()  # `project:health-stays`, every rule that matched
    masks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRuleDecision:
    """What would have been done if this shadow rule alone had been in effect, too."""

    rule: str  # `project:health-stays`
    outcome: str
    deployment: str = ""
    masks: Mapping[str, str] = field(default_factory=dict)


def masks_of(permit: Permit, labelled: Labelled) -> dict[str, str]:
    """How the first candidate's bytes are masked, by the data class found: `placeholder`, …"""
    if not permit.candidates or not permit.candidates[0].modes:
        return {}
    masks = {}
    for name, count in labelled.data_classes.items():
        label = labelled.class_labels.get(name)
        categories = label.categories if label is not None else _NOTHING
        mode = strictest_mode(permit.candidates[0].modes, name, categories)
        if count and mode is not None:
            masks[name] = mode.value
    return masks


class Remembering:
    """An analyser that scans each list of texts once, so that a shadow costs no second scan."""

    __slots__ = ("_analyser", "_seen", "data_classes")

    def __init__(self, analyser: Analyser) -> None:
        self._analyser = analyser
        self._seen: list[tuple[list[str], Analysis]] = []
        self.data_classes = analyser.data_classes

    def analyse(self, texts: list[str]) -> Analysis:
        """As the analyser does."""
        for known, analysis in self._seen:
            if known == texts:
                return analysis
        analysis = self._analyser.analyse(texts)
        self._seen.append((texts, analysis))
        return analysis


class AsMasked:
    """Judges b_d by what the policy in effect found in it after masking, and masks nothing itself.

    What was not masked for that is judged by the findings that masking leaves.
    """

    __slots__ = ("_masking",)

    def __init__(self, masking: RequestMasking) -> None:
        self._masking = masking

    def __call__(self, *, deployment: str, modes: Modes) -> Label:
        """As `policies.engine.judge.Masker`."""
        known = self._masking.known(deployment=deployment, modes=modes)
        return PUBLIC if known is None else known


def decide_in_shadow(  # noqa: PLR0913 -- a label has that many sources
    shadow: CompiledPolicy,
    *,
    request: RelayRequest,
    view: ProjectView,
    principal: Principal,
    declared: str,
    inherited: Label,
    facts: RequestFacts,
    masking: RequestMasking | None,
) -> ShadowDecision:
    """Label and decide as if `shadow` were in effect. CPU only. Never raises.

    `masking` is the live decision's, which was made before.
    """
    try:
        labelled = label_request(
            request,
            view=replace(view, policy=shadow),
            principal=principal,
            declared=declared,
            inherited=inherited,
        )
        permit = decide(
            shadow,
            replace(
                facts,
                label=labelled.label,
                unmaskable=labelled.unmaskable,
                data_classes=labelled.data_classes,
                class_labels=labelled.class_labels,
                unread=not labelled.opaque.isdisjoint(UNREAD),
            ),
            masking_available=bool(view.masking_keys),
            masker=None if masking is None else AsMasked(masking),
        )
        masks = masks_of(permit, labelled)
    except Exception:  # noqa: BLE001 -- a border: no shadow may stop a request
        return ShadowDecision(revision=shadow.revision, outcome=FAILED)
    return ShadowDecision(
        revision=permit.revision,
        outcome=_outcome(permit),
        deployment=_first(permit),
        rules=tuple(rule.key for rule in permit.rules),
        masks=masks,
    )


def decide_shadow_rules(
    policy: CompiledPolicy,
    permit: Permit,
    *,
    labelled: Labelled,
    facts: RequestFacts,
    masking: RequestMasking | None,
) -> tuple[ShadowRuleDecision, ...]:
    """For each shadow rule that matched: decide with it in effect, alone of them. Never raises.

    `permit` is the live decision, and `masking` made it. A `decide` each, 10 to 20 µs.
    """
    masker = None if masking is None else AsMasked(masking)
    return tuple([_with_live(policy, rule.key, labelled, facts, masker) for rule in permit.shadow])


def _with_live(
    policy: CompiledPolicy,
    key: str,
    labelled: Labelled,
    facts: RequestFacts,
    masker: AsMasked | None,
) -> ShadowRuleDecision:
    try:
        permit = decide(policy.with_live(key), facts, masker=masker)
        return ShadowRuleDecision(
            rule=key,
            outcome=_outcome(permit),
            deployment=_first(permit),
            masks=masks_of(permit, labelled),
        )
    except Exception:  # noqa: BLE001 -- a border: no shadow may stop a request
        return ShadowRuleDecision(rule=key, outcome=FAILED)


def _outcome(permit: Permit) -> str:
    return FAILED if permit.error else permit.outcome.value


def _first(permit: Permit) -> str:
    return permit.candidates[0].deployment if permit.candidates else ""
