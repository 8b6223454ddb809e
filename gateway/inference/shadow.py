"""The policy in shadow, decided beside the one in effect. It is recorded and does nothing else.

INVARIANT: nothing here reaches the request: what fails is recorded as `error`.
"""

from dataclasses import dataclass, replace

from gateway.inference.contracts import Analyser, Principal, ProjectView
from gateway.inference.label import UNREAD, label_request
from gateway.protocol.requests import RelayRequest
from policies.classification.findings import Analysis
from policies.engine.decide import CompiledPolicy, decide
from policies.engine.facts import RequestFacts
from policies.engine.labels import Label

FAILED = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowDecision:
    """What the policy in shadow would have done. `deployment`: its first candidate, or empty."""

    revision: str  # of the compiled policy, as in a permit
    outcome: str  # as policies.engine.permit.Outcome, or `error`
    deployment: str = ""
    rules: tuple[str, ...] = ()  # `project:health-stays`, every rule that matched


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


def decide_in_shadow(  # noqa: PLR0913 -- a label has that many sources
    shadow: CompiledPolicy,
    *,
    request: RelayRequest,
    view: ProjectView,
    principal: Principal,
    declared: str,
    inherited: Label,
    facts: RequestFacts,
) -> ShadowDecision:
    """Label and decide as if `shadow` were in effect. CPU only. Never raises.

    What must be masked is judged by the findings that masking leaves: nothing is masked for it.
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
        )
    except Exception:  # noqa: BLE001 -- a border: no shadow may stop a request
        return ShadowDecision(revision=shadow.revision, outcome=FAILED)
    return ShadowDecision(
        revision=permit.revision,
        outcome=FAILED if permit.error else permit.outcome.value,
        deployment=permit.candidates[0].deployment if permit.candidates else "",
        rules=tuple(rule.key for rule in permit.rules),
    )
