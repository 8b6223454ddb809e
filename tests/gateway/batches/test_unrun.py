"""Rows that a batch's end came before: those nobody asked for, and those that were tried."""

import asyncio
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from gateway.batches import claims, rows, services
from gateway.batches.models import Batch, RowState
from tests.gateway.batches.conftest import Office, Shift, lines, results, row, work

CANCELLED = "This request was not executed: the batch was cancelled."
LOST = " It may have been answered, and paid for, without the answer being kept."


def test_a_row_that_nobody_asked_for_has_no_receipt(office: Office) -> None:
    batch = office.begun(lines([row("a")]))
    services.cancel_batch(office.principal, batch.pk)
    line = results(office.finalized(batch).error_file_id)[0]
    assert line["error"] == {"code": "batch_cancelled", "message": CANCELLED}
    assert "sluice" not in line


def test_a_row_that_was_tried_says_so_with_the_receipt_of_its_last_try(office: Office) -> None:
    batch = office.begun(lines([row("a", model="vendor")]))

    async def scene(shift: Shift) -> None:
        shift.cloud.mode = "rate_limited"
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(lambda: batch.rows.filter(tries=1, state=RowState.PENDING).exists())
        running.cancel()
        await asyncio.wait([running])

    work(office, scene)
    services.cancel_batch(office.principal, batch.pk)
    line = results(office.finalized(batch).error_file_id)[0]
    assert line["response"] is None
    assert line["error"]["message"] == f"{CANCELLED} Before that it was tried once in vain."
    receipt = line["sluice"]
    assert receipt["attempts"] == "claude cloud http_429"
    assert receipt["decision"].startswith("dec_")
    assert (receipt["sensitivity"], receipt["attempt"]) == ("internal", 1)
    assert receipt["earlier_attempt_lost"] is False


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
def test_a_row_that_died_with_its_process_says_that_it_may_be_paid_for(
    office: Office, ending: str
) -> None:
    batch = office.begun(lines([row("a")]))
    now = timezone.now()
    by = office.claim_name()
    assert claims.claim(batch.pk, by=by, statuses=rows.RUNNING, now=now)
    assert rows.lease(batch.pk, by=by, limit=1, now=now)
    then = now - timedelta(minutes=1)
    Batch.objects.filter(pk=batch.pk).update(driver_until=then)
    batch.rows.update(lease_until=then)
    if ending == "cancelled":
        services.cancel_batch(office.principal, batch.pk)
    else:
        Batch.objects.filter(pk=batch.pk).update(expires_at=F("created_at"))
        services.expire(timezone.now())
    line = results(office.finalized(batch).error_file_id)[0]
    assert line["error"]["code"] == f"batch_{ending}"
    assert line["error"]["message"].endswith(f" Before that it was tried once in vain.{LOST}")
    assert line["sluice"]["earlier_attempt_lost"] is True
    assert (line["sluice"]["attempt"], line["sluice"]["zone"]) == (1, "")
