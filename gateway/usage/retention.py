"""Usage records that are older than the rule for `usage` go. The sums by day stay: budgets count by
them, and they hold ids instead of people."""

from collections import Counter
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q

from gateway.audit.holds import lasting
from gateway.audit.retention import Kind, kept_days, record_removal, too_old
from gateway.usage.models import UsageRecord

ROWS_AT_ONCE: Final = 5_000


def forget_old_usage(now: datetime) -> int:
    """Delete them, but for what legal holds keep; an event per project and turn says how many.

    Idempotent; many short transactions. Returns how many.
    """
    gone = 0
    while count := _forget_some(now):
        gone += count
    return gone


def _forget_some(now: datetime) -> int:
    before, days = too_old(Kind.USAGE, now), kept_days(Kind.USAGE)
    if before is None or days is None:
        return 0
    holds = lasting()
    kept = Q(project__in=holds.projects) | Q(person__in=holds.people)
    old = UsageRecord.objects.filter(at__lte=before).exclude(kept).order_by()
    with transaction.atomic():
        rows = list(old.values_list("pk", "project")[:ROWS_AT_ONCE])
        UsageRecord.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
        record_removal(Kind.USAGE, Counter(project for _, project in rows), days=days)
    return len(rows)
