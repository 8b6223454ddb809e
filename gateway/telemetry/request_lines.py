"""A log line for each request that ended: ids, names, numbers. For logs in JSON alone."""

import logging
from typing import Any

from gateway.audit.records import DecisionRecord, OutcomeRecord

log = logging.getLogger("gateway.requests")


class RequestLines:
    """Implements `gateway.inference.contracts.Watch`."""

    def ended(self, decision: DecisionRecord, outcome: OutcomeRecord) -> None:
        """Write the line. About 350 bytes; some 20 µs."""
        log.info("request ended", extra={"fields": fields_of(decision, outcome)})


def fields_of(decision: DecisionRecord, outcome: OutcomeRecord) -> dict[str, Any]:
    """What a line says: an allow-list of the two records."""
    return {
        "request_id": decision.request_id,
        "decision_id": decision.id,
        "project": decision.project,
        "channel": decision.channel,
        "endpoint": decision.endpoint,
        "decision": decision.decision,
        "sensitivity": decision.sensitivity,
        "deployment": outcome.deployment,
        "zone": outcome.zone,
        "status": outcome.status,
        "error": outcome.error,
        "duration_ms": outcome.duration_ms,
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
    }
