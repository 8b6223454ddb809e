"""One decision: a request is read, labelled and decided against one snapshot. CPU only.

INVARIANT: nothing here writes or sends. Failures of ours refuse; they never fall through.
"""

from dataclasses import replace
from datetime import datetime

from gateway.inference.contracts import ProjectView, Snapshot
from gateway.inference.digests import request_digest
from gateway.inference.exchange import Decided, Inbound
from gateway.inference.hearing import Hearing, Memory
from gateway.inference.label import UNREAD, Labelled, label_request
from gateway.inference.masking import RequestMasking
from gateway.inference.shadow import Remembering, decide_in_shadow, decide_shadow_rules
from gateway.protocol.errors import FailClosed, InvalidRequest, ScopeDenied, Unauthenticated
from gateway.protocol.requests import RelayRequest, read_request
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts
from policies.engine.suspensions import NOTHING_SUSPENDED, Suspensions


def decide_on(  # noqa: PLR0913 -- a decision has that many sides
    snapshot: Snapshot,
    inbound: Inbound,
    *,
    decision_id: str,
    now: datetime,
    on_prem_only: str,
    budget: str = "ok",
    hearing: Hearing | None = None,
    memory: Memory | None = None,
) -> Decided:
    """Read, label and decide one request against one snapshot. Raises GatewayError.

    `hearing` is what model recognizers said, where the project asks any; without it, what
    `memory` has. What they should have judged and did not counts as opaque.
    """
    principal = inbound.principal
    if principal.has_expired(now):
        raise Unauthenticated("This API key has expired.")
    if principal.scopes and inbound.endpoint.value not in principal.scopes:
        raise ScopeDenied(f"This API key may not use {inbound.endpoint.value}.")
    view = snapshot.projects.get(principal.project)
    if view is None:
        raise FailClosed("This project's policy could not be read.", param="policy")
    request = read_request(inbound.endpoint, inbound.body)
    if not view.asked:
        hearing = None
    else:
        hearing = Hearing(memory) if hearing is None else hearing
        view = hearing.over(view, snapshot)
    if view.shadow is not None:
        view = replace(view, analyser=Remembering(view.analyser))
    labelled = _label(request, view=view, inbound=inbound)
    facts = _facts(
        inbound,
        request,
        labelled,
        digest=request_digest(inbound.body, view.digest_key),
        suspensions=view.suspensions,
        decision_id=decision_id,
        now=now,
        on_prem_only=on_prem_only,
        budget=budget,
    )
    masking = None
    if labelled.data_classes and view.masking_keys:
        masking = RequestMasking(request, labelled, view)
    permit = decide(view.policy, facts, masker=masking)
    return Decided(
        inbound=inbound,
        request=request,
        labelled=labelled,
        facts=facts,
        permit=permit,
        snapshot=snapshot,
        view=view,
        masking=masking,
        hearing=hearing,
        shadow=None
        if view.shadow is None
        else decide_in_shadow(
            view.shadow,
            request=request,
            view=view,
            principal=principal,
            declared=inbound.declared,
            inherited=inbound.inherited,
            facts=facts,
            masking=masking,
        ),
        shadow_rules=decide_shadow_rules(
            view.policy,
            permit,
            labelled=labelled,
            facts=facts,
            masking=masking,
        )
        if permit.shadow
        else (),
    )


def _label(request: RelayRequest, *, view: ProjectView, inbound: Inbound) -> Labelled:
    try:
        return label_request(
            request,
            view=view,
            principal=inbound.principal,
            declared=inbound.declared,
            inherited=inbound.inherited,
        )
    except InvalidRequest:
        raise
    except Exception as error:
        # The exception's text may quote content: neither logged nor shown.
        raise FailClosed(
            "The request could not be classified, so nothing was sent.", param="label"
        ) from error


def _facts(  # noqa: PLR0913 -- facts have that many sources
    inbound: Inbound,
    request: RelayRequest,
    labelled: Labelled,
    *,
    digest: str,
    suspensions: Suspensions | None,
    decision_id: str,
    now: datetime,
    on_prem_only: str,
    budget: str,
) -> RequestFacts:
    principal = inbound.principal
    return RequestFacts(
        decision_id=decision_id,
        digest=digest,
        endpoint=inbound.endpoint.value,
        alias=request.alias,
        label=labelled.label,
        unmaskable=labelled.unmaskable,
        data_classes=labelled.data_classes,
        class_labels=labelled.class_labels,
        unread=not labelled.opaque.isdisjoint(UNREAD),
        now=now,
        groups=principal.groups,
        key=principal.key_prefix,
        size_bytes=len(inbound.body),
        modalities=request.modalities,
        tools=request.tools,
        reach_out=request.reach_out,
        budget=budget,
        on_prem_only_because=on_prem_only,
        suspended=NOTHING_SUSPENDED
        if suspensions is None
        else suspensions.rules_for(
            now=now,
            digest=digest,
            alias=request.alias,
            key=principal.key_prefix,
            groups=principal.groups,
        ),
    )
