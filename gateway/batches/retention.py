"""Rows of batches that ended long ago: they go by the rule for `batch_rows`, the batches stay."""

from collections import Counter
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from gateway.audit.holds import lasting
from gateway.audit.retention import Kind, kept_days, record_removal, too_old
from gateway.batches.models import ACTIVE, Batch, BatchRow

BATCHES_AT_ONCE: Final = 50


def forget_old_rows(now: datetime) -> int:
    """Delete them, but for what legal holds keep; an event per project says how many.

    Idempotent; a transaction for every few batches. Returns how many rows.
    """
    gone = 0
    while count := _forget_some(now):
        gone += count
    return gone


def _forget_some(now: datetime) -> int:
    before, days = too_old(Kind.BATCH_ROWS, now), kept_days(Kind.BATCH_ROWS)
    if before is None or days is None:
        return 0
    holds = lasting()
    kept = Q(project__slug__in=holds.projects) | Q(actor__in=holds.people)
    ended = Batch.objects.exclude(status__in=ACTIVE).exclude(kept).filter(expires_at__lte=before)
    with_rows = ended.filter(Exists(BatchRow.objects.filter(batch=OuterRef("pk"))))
    batches = dict(with_rows.values_list("pk", "project__slug")[:BATCHES_AT_ONCE])
    counts: Counter[str] = Counter()
    with transaction.atomic():
        for batch, project in batches.items():
            deleted, _ = BatchRow.objects.filter(batch=batch).delete()
            counts[project] += deleted
        record_removal(Kind.BATCH_ROWS, counts, days=days)
    return counts.total()
