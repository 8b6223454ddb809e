"""Who works on a batch: one process at a time, for as long as it renews its claim.

INVARIANT: every transaction of a claimant that changes more than single rows renews the claim
first and stops when it is gone, so whoever was believed dead changes nothing afterwards. Rows are
fenced by themselves, with attempt numbers.
"""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from gateway.batches.liveness import is_gone
from gateway.batches.models import Batch, BatchRow, RowState

CLAIM_TIME = timedelta(seconds=30)


class ClaimLost(Exception):
    """Another process works on the batch, or its status changed."""


def new_claim(process: str) -> str:
    """A name for one claim of a process: no two claims are ever taken for each other."""
    return f"{process}/{secrets.token_hex(4)}"


def claim(batch_id: str, *, by: str, statuses: Collection[str], now: datetime) -> bool:
    """Become who works on a batch that is in one of `statuses`. False: somebody else does.

    Rows that a former claimant held come back: what it had sent may have been answered.
    """
    batch = Batch.objects.filter(pk=batch_id, status__in=statuses).first()
    if batch is None:
        return False
    gone = bool(batch.driver) and is_gone(batch.driver.partition("/")[0])
    free = Q(driver="") | Q(driver_until__lte=now)
    if gone:
        free |= Q(driver=batch.driver)
    with transaction.atomic():
        claimed = Batch.objects.filter(free, pk=batch_id, status__in=statuses).update(
            driver=by, driver_until=now + CLAIM_TIME
        )
        if not claimed:
            return False
        left = BatchRow.objects.filter(batch_id=batch_id, state=RowState.LEASED)
        if not gone:
            left = left.filter(lease_until__lte=now)
        _come_back(left, now)
    return True


def _come_back(left: "QuerySet[BatchRow]", now: datetime) -> None:
    left.update(
        state=RowState.PENDING,
        lost=True,
        tries=F("tries") + 1,
        lease_until=None,
        driver="",
        not_before=now,
    )


def reclaim(batch_id: str, *, now: datetime) -> None:
    """Take back rows whose lease has ended: nobody knows of them any more. In a transaction."""
    stray = BatchRow.objects.filter(batch_id=batch_id, state=RowState.LEASED, lease_until__lte=now)
    _come_back(stray, now)


def renew(batch_id: str, *, by: str, statuses: Collection[str], now: datetime) -> None:
    """Prolong a claim. Raises ClaimLost. Call it first in a claimant's transaction."""
    held = Batch.objects.filter(pk=batch_id, driver=by, status__in=statuses)
    if held.update(driver_until=now + CLAIM_TIME) != 1:
        raise ClaimLost(batch_id)


def release(batch_id: str, *, by: str) -> None:
    """Let others work on it. Idempotent. Rows that are still leased were never begun: whoever
    releases has settled those that were."""
    with transaction.atomic():
        BatchRow.objects.filter(batch_id=batch_id, state=RowState.LEASED, driver=by).update(
            state=RowState.PENDING, lease_until=None, driver=""
        )
        Batch.objects.filter(pk=batch_id, driver=by).update(driver="", driver_until=None)
