"""Periodic work on the evidence: seal, anchor, stream, prune."""

import logging

from gateway.audit.anchors import anchor_heads
from gateway.audit.retention import prune
from gateway.audit.sealing import seal
from gateway.audit.signing import KeyUnreadable
from gateway.audit.streaming.sending import stream
from gateway.audit.strict import reconcile
from gateway.celery import app

log = logging.getLogger(__name__)


@app.task(name="audit.seal")
def seal_chains() -> None:
    """Sign a head and bring all heads to the anchors. Safe to run twice at once."""
    missing = reconcile()
    if missing:
        log.error("%d decisions were committed and no journal has brought them", missing)
    try:
        seal()
        anchor_heads()
    except KeyUnreadable as unreadable:
        log.error("the audit is not sealed: %s", unreadable)  # noqa: TRY400 - it says it all


@app.task(name="audit.stream")
def stream_events() -> None:
    """Send to the streams what they lack. Safe to run twice at once: some arrives twice then."""
    try:
        stream()
    except KeyUnreadable as unreadable:
        log.error("the audit is not streamed: %s", unreadable)  # noqa: TRY400 - it says it all


@app.task(name="audit.prune")
def prune_evidence() -> None:
    """Remove what the retention rules let go. Idempotent."""
    for cut in prune():
        log.info("pruned %d records of chain %s", cut.records, cut.writer)
