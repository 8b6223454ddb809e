"""What would be decided, and why, as data: nothing is sent, reserved or journaled.

What is told holds classes and places, never text: it may be shown, logged and kept. The masked
bodies of a `Preview` are text, for whoever wrote it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.inference.contracts import Principal, Snapshot
from gateway.inference.deciding import decide_on
from gateway.inference.exchange import Decided, Inbound
from gateway.inference.hearing import Hearing
from gateway.inference.path import new_id
from gateway.inference.refusals import in_words, ways_out
from gateway.inference.surroundings import on_prem_only_reason
from gateway.inference.trace import label_words, rule_names
from gateway.protocol.walk import places
from policies.engine.explain import explain
from policies.engine.facts import Endpoint
from policies.engine.labels import PUBLIC, Label


def explain_request(  # noqa: PLR0913 -- a request has that many sides
    snapshot: Snapshot,
    principal: Principal,
    endpoint: Endpoint,
    body: bytes,
    declared: str = "",
    *,
    inherited: Label = PUBLIC,
    age_s: float = 0.0,
) -> dict[str, Any]:
    """Label, findings with their places, rules, candidates in order, dropped ones with reasons.

    `only_declared` names the categories that no recognizer of the project finds, `unasked` the
    model recognizers, which are asked only when the request is sent and may then raise the label.
    `age_s` is the snapshot's, for what a stale one denies. CPU only.
    Raises GatewayError for a body or declaration that would be refused anyway.
    """
    return preview_request(
        snapshot, principal, endpoint, body, declared, inherited=inherited, age_s=age_s
    ).told


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is told of a request, and by deployment the body that each would get masked."""

    told: dict[str, Any]
    masked: Mapping[str, Any] = field(repr=False)


def preview_request(  # noqa: PLR0913 -- a request has that many sides
    snapshot: Snapshot,
    principal: Principal,
    endpoint: Endpoint,
    body: bytes,
    declared: str = "",
    *,
    inherited: Label = PUBLIC,
    age_s: float = 0.0,
) -> Preview:
    """As `explain_request`, with the masked bodies: the same that would be sent, as trees."""
    decided = decide_on(
        snapshot,
        Inbound(
            principal=principal,
            endpoint=endpoint,
            body=body,
            request_id=new_id("req_"),
            declared=declared,
            inherited=inherited,
            channel="explain",
        ),
        decision_id=new_id("dec_"),
        now=datetime.now(UTC),
        on_prem_only=on_prem_only_reason(snapshot, age_s),
        hearing=Hearing(previews=True),
    )
    masked = {
        candidate.deployment: decided.outgoing(candidate).request.tree
        for candidate in decided.permit.candidates
        if candidate.masked
    }
    return Preview(told=_told(decided, inherited), masked=masked)


def _told(decided: Decided, inherited: Label) -> dict[str, Any]:
    permit, labelled, policy = decided.permit, decided.labelled, decided.view.policy
    told = explain(policy, decided.facts, permit)
    ways = [] if permit.allowed else ways_out(decided)
    return {
        "outcome": permit.outcome.value,
        "label": {
            "sensitivity": permit.label.sensitivity.word,
            "categories": sorted(permit.label.categories),
        },
        "floor": {
            "sensitivity": policy.floor.sensitivity.word,
            "categories": sorted(policy.floor.categories),
        },
        "declared": labelled.declared,
        "findings": _findings(decided),
        "inherited": "" if inherited == PUBLIC else label_words(inherited),
        "opaque": sorted(labelled.opaque),
        # Models are shown nothing for a preview: what they find is known when it is sent.
        "unasked": [
            {
                "recognizer": asked.recognizer.name,
                "deployment": asked.recognizer.deployment,
                "classes": [each.data_class for each in asked.recognizer.finds],
            }
            for asked in decided.view.asked
        ],
        "only_declared": sorted(
            set(policy.taxonomy.minimums) - set(decided.view.analyser.data_classes.values())
        ),
        "rules": rule_names(permit.rules),
        "shadow_rules": rule_names(permit.shadow),
        "candidates": [
            {
                "deployment": candidate.deployment,
                "zone": candidate.zone.value,
                "mask": sorted(candidate.mask),
                "masked": candidate.masked,
            }
            for candidate in permit.candidates
        ],
        "dropped": [
            {
                "deployment": drop.deployment,
                "zone": drop.zone.value,
                "reason": drop.reason.value,
                "detail": drop.detail,
                "rule": f"{drop.rule.scope}:{drop.rule.id}" if drop.rule else None,
            }
            for drop in permit.dropped
        ],
        "revision": permit.revision,
        "sentence": told.outcome,
        "sentences": list(told.lines()),
        "suggestions": [way.as_data() for way in ways],
        "remedy": in_words(ways),
    }


def _findings(decided: Decided) -> list[dict[str, Any]]:
    if not decided.labelled.findings:
        return []
    request = decided.request
    where = places(request.tree, payloads=request.payloads)
    return [
        {
            "class": finding.data_class,
            "category": finding.category,
            "place": where[finding.field],
            "start": finding.start,
            "end": finding.end,
            "score": finding.score,
            "recognizer": finding.recognizer,
        }
        for finding in decided.labelled.findings
    ]
