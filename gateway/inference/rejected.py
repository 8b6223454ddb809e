"""The record of a request that came to no decision."""

from collections.abc import Sequence

from gateway.audit.records import DecisionRecord
from gateway.inference.exchange import Inbound
from gateway.inference.trace import UNKNOWN_ALIAS
from policies.engine.labels import Sensitivity


def rejected_record(
    inbound: Inbound,
    *,
    decision_id: str,
    reason: str,
    digest: str,
    at: float,
    scans: Sequence[list[str]] = (),
) -> DecisionRecord:
    """The record of a request that came to no decision: it could not be read or labelled, or the
    key may not ask. Nothing of it was sent. Unknown counts as worst (semantic rule 6)."""
    principal = inbound.principal
    return DecisionRecord(
        id=decision_id,
        request_id=inbound.request_id,
        at=at,
        project=principal.project,
        actor=principal.actor,
        on_behalf_of=principal.on_behalf_of,
        key_prefix=principal.key_prefix,
        channel=inbound.channel,
        endpoint=inbound.endpoint.value,
        alias=UNKNOWN_ALIAS,
        size_bytes=len(inbound.body),
        digest=digest,
        sensitivity=Sensitivity.RESTRICTED.word,
        opaque=["body"],
        decision="rejected",
        reason=reason,
        revision="",
        scans=list(scans),
    )
