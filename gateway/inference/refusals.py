"""Refusals that help: what was decided, why, and the smallest change that would allow it."""

from gateway.inference.contracts import Refusal
from gateway.protocol.errors import BudgetExceeded, GatewayError, PolicyDenied, RateLimited
from policies.engine.decide import CompiledPolicy
from policies.engine.explain import explain, smallest_change
from policies.engine.facts import RequestFacts
from policies.engine.permit import Permit


def denied(policy: CompiledPolicy, permit: Permit, facts: RequestFacts) -> PolicyDenied:
    """The 403: each dropped deployment with its reason, and a way that is open, if any."""
    label = permit.label
    told = explain(policy, facts, permit)
    suggestion = smallest_change(policy, facts)
    sentences = [told.outcome, told.label, *dict.fromkeys(drop.detail for drop in permit.dropped)]
    if suggestion is not None:
        sentences.append(suggestion.sentence)
    message = " ".join(sentences)
    return PolicyDenied(
        message,
        extra={
            "decision": permit.decision_id,
            "label": {
                "sensitivity": label.sensitivity.word,
                "categories": sorted(label.categories),
            },
            "found": dict(facts.data_classes),
            "dropped": [
                {
                    "deployment": drop.deployment,
                    "zone": drop.zone.value,
                    "reason": drop.reason.value,
                    "rule": f"{drop.rule.scope}:{drop.rule.id}" if drop.rule else None,
                }
                for drop in permit.dropped
            ],
            "suggestion": suggestion.as_data() if suggestion is not None else None,
        },
    )


def limited(refusal: Refusal) -> GatewayError:
    """The 429 of a rate limit or a budget."""
    if refusal.code == "budget_exceeded":
        return BudgetExceeded(refusal.message)
    wait = refusal.retry_after_s
    return RateLimited(
        refusal.message, headers={"retry-after": str(wait)} if wait is not None else None
    )
