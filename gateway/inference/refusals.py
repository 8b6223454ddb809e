"""Refusals that help: what was decided, why, and the smallest change that would allow it."""

from dataclasses import asdict

from policies.engine.explain import smallest_change

from gateway.inference.contracts import Refusal
from gateway.protocol.errors import BudgetExceeded, GatewayError, PolicyDenied, RateLimited
from policies.engine.decide import CompiledPolicy
from policies.engine.facts import RequestFacts
from policies.engine.permit import Permit


def denied(policy: CompiledPolicy, permit: Permit, facts: RequestFacts) -> PolicyDenied:
    """The 403: each dropped deployment with its reason, and a way that is open, if any."""
    label = permit.label
    what = label.sensitivity.word
    if label.categories:
        what += f" ({', '.join(sorted(label.categories))})"
    reasons = " ".join(dict.fromkeys(drop.detail for drop in permit.dropped))
    suggestion = smallest_change(policy, facts)
    message = f"Nothing was sent. This request is {what}. {reasons}"
    if suggestion is not None:
        message += f" {suggestion.sentence}"
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
            "suggestion": asdict(suggestion) if suggestion is not None else None,
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
