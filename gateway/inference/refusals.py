"""Refusals that help: what was decided, why, and the smallest change that would allow it."""

from gateway.inference.contracts import Refusal
from gateway.inference.exchange import Decided
from gateway.inference.removing import removable_parts
from gateway.protocol.errors import (
    BudgetExceeded,
    GatewayError,
    ModelNotFound,
    PolicyDenied,
    RateLimited,
)
from policies.engine.explain import explain
from policies.engine.permit import Permit
from policies.engine.suggest import Change, Suggestion, suggestions


def ways_out(decided: Decided) -> list[Suggestion]:
    """The smallest change of each kind (masking, parts to remove, an approval, another alias,
    several together) that would allow it. CPU only, bounded: see `suggestions`."""
    first: dict[tuple[Change, ...], Suggestion] = {}
    for suggestion in suggestions(
        decided.view.policy,
        decided.facts,
        masker=decided.masking,
        parts=removable_parts(decided),
    ):
        first.setdefault(suggestion.changes, suggestion)
    return list(first.values())


def in_words(ways: list[Suggestion]) -> str:
    """`mask 1 IBAN, or use model private`; empty without any."""
    return ", or ".join(way.action for way in ways)


def denied(decided: Decided) -> PolicyDenied:
    """The 403: each dropped deployment with its reason, and a way that is open, if any."""
    policy, permit, facts = decided.view.policy, decided.permit, decided.facts
    label = permit.label
    told = explain(policy, facts, permit)
    ways = ways_out(decided)
    sentences = [told.outcome, told.label, *dict.fromkeys(drop.detail for drop in permit.dropped)]
    if ways:
        sentences.append(f"What would allow it: {in_words(ways)}.")
    asking = how_to_ask(permit, ways)
    if asking is not None:
        sentences.append(asking["sentence"])
    message = " ".join(sentences)
    return PolicyDenied(
        message,
        extra={
            **({} if asking is None else {"approval": asking}),
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
            "remedy": in_words(ways),
            "suggestions": [way.as_data() for way in ways],
        },
    )


def how_to_ask(permit: Permit, ways: list[Suggestion]) -> dict[str, str] | None:
    """What to do when an approval would help, for people and programs; None: it would not."""
    if not any(way.change is Change.APPROVAL for way in ways):
        return None
    return {
        "method": "POST",
        "path": "/api/approvals",
        "decision": permit.decision_id,
        "sentence": (
            f"To ask for the approval, name the decision {permit.decision_id} in POST "
            "/api/approvals or `manage.py approval ask`; once it is granted, send exactly the "
            "same body again."
        ),
    }


def not_found(alias: str, permit: Permit) -> ModelNotFound:
    """The 404: no such model, or why none of its deployments fits the request."""
    name = repr(alias[:200])
    if not permit.dropped:
        message = f"This project has no model {name}. GET /v1/models lists those it has."
    else:
        reasons = " ".join(dict.fromkeys(drop.detail for drop in permit.dropped))
        message = f"The model {name} cannot serve this request. {reasons}"
    return ModelNotFound(message, param="model")


def limited(refusal: Refusal) -> GatewayError:
    """The 429 of a rate limit or a budget."""
    if refusal.code == "budget_exceeded":
        return BudgetExceeded(refusal.message)
    wait = refusal.retry_after_s
    return RateLimited(
        refusal.message, headers={"retry-after": str(wait)} if wait is not None else None
    )
