"""A deployment that asks to be left alone gets no row, while rows for others go on."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone

from gateway.batches.models import RowState
from tests.gateway.batches.conftest import Office, Shift, lines, row, work


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_all_rows_for_it_wait_as_long_as_it_asks(office: Office, kind: str) -> None:
    batch = office.begun(
        lines(
            [row(f"v{n}", model="vendor") for n in range(40)]
            + [row(f"p{n}", model="private") for n in range(6)]
        )
    )
    began = timezone.now()

    async def scene(shift: Shift) -> None:
        later = format_datetime(began + timedelta(seconds=300), usegmt=True)
        shift.cloud.retry_after = "299" if kind == "seconds" else later
        shift.cloud.mode = "rate_limited"
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(
            lambda: (
                batch.rows.filter(state=RowState.COMPLETED).count() == 6
                and batch.rows.filter(not_before__gt=began).count() == 40
            )
        )
        running.cancel()
        await asyncio.wait([running])
        # Those that were let in side by side, before it had said anything.
        assert len(shift.cloud.received) <= 8

    work(office, scene)
    waiting = batch.rows.filter(state=RowState.PENDING)
    assert waiting.filter(not_before__gte=began + timedelta(seconds=290)).count() == 40
    assert waiting.filter(not_before__gt=began + timedelta(seconds=400)).count() == 0
    assert waiting.filter(tries=0, lost=False).count() >= 32


def test_rows_that_may_go_elsewhere_go_there_meanwhile(office: Office) -> None:
    batch = office.begun(lines([row(f"r{n}", model="cloud-first") for n in range(40)]))

    async def scene(shift: Shift) -> None:
        shift.cloud.retry_after = "3000"
        shift.cloud.mode = "rate_limited"
        await shift.drive(batch).run()
        assert len(shift.cloud.received) <= 8
        assert len(shift.onprem.received) == 40

    work(office, scene)
    assert office.finalized(batch).completed == 40


def test_they_go_on_when_it_has_rested(office: Office) -> None:
    batch = office.begun(lines([row(f"v{n}", model="vendor") for n in range(20)]))

    async def scene(shift: Shift) -> None:
        shift.cloud.retry_after = "1"
        shift.cloud.mode = "rate_limited"
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(lambda: batch.rows.filter(tries=1).exists())
        shift.cloud.mode = "ok"
        await running

    work(office, scene)
    assert office.finalized(batch).completed == 20
