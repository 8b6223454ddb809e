"""How one process runs a batch: retries, outages, keys that end, and leaving in the middle."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from gateway.accounts.services import revoke_api_key
from gateway.batches import claims, rows
from gateway.batches.models import Batch, BatchRow, RowState, Status
from gateway.files.models import StoredFile
from tests.gateway.batches.conftest import (
    IBAN,
    Office,
    Shift,
    lines,
    results,
    row,
    run_to_end,
    work,
)
from tests.support.world import SETUP


def states(batch: Batch) -> list[str]:
    return list(batch.rows.order_by("index").values_list("state", flat=True))


def test_rows_are_answered_and_written_in_input_order(office: Office) -> None:
    batch = office.begun(lines([row(f"r{number}") for number in range(40)]))
    ended = run_to_end(office, batch)
    assert ended.status == Status.COMPLETED
    assert [line["custom_id"] for line in results(ended.output_file_id)] == [
        f"r{number}" for number in range(40)
    ]
    assert (ended.total, ended.completed, ended.failed) == (40, 40, 0)
    assert (ended.prompt_tokens, ended.completion_tokens) == (120, 80)


def test_an_outage_of_the_cloud_leaves_sensitive_rows_running(office: Office) -> None:
    batch = office.begun(
        lines(
            [row(f"clean{n}", model="vendor") for n in range(6)]
            + [row(f"iban{n}", f"pay {IBAN}", model="cloud-first") for n in range(6)]
        )
    )

    async def scene(shift: Shift) -> None:
        shift.cloud.mode = "unavailable"
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(lambda: batch.rows.filter(state=RowState.COMPLETED).count() == 6)
        await shift.until(lambda: batch.rows.filter(tries__gte=1).count() == 6)
        assert not running.done()
        shift.cloud.mode = "ok"
        await running
        assert len(shift.onprem.received) == 6
        assert b"3704" not in b"".join(each.body for each in shift.cloud.received)

    work(office, scene)
    assert office.finalized(batch).completed == 12


def test_retry_after_is_waited_for(office: Office) -> None:
    batch = office.begun(lines([row("a", model="vendor")]))
    before = timezone.now()

    async def scene(shift: Shift) -> None:
        shift.cloud.mode = "rate_limited"  # asks for seven seconds
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(lambda: batch.rows.filter(tries=1, state=RowState.PENDING).exists())
        running.cancel()
        await asyncio.wait([running])

    work(office, scene)
    found = batch.rows.get()
    assert found.not_before >= before + timedelta(seconds=7)
    assert (found.failures, found.lost) == (0, False)  # nobody worked on it


def test_a_timeout_says_that_an_answer_may_have_been_lost(office: Office) -> None:
    batch = office.begun(lines([row("a", model="private")]))

    async def scene(shift: Shift) -> None:
        assert shift.snapshots.snapshot is not None
        known = shift.snapshots.snapshot.destinations
        hasty = replace(known["llama"], first_byte_timeout_s=0.2)
        shift.change(destinations={**known, "llama": hasty})
        shift.onprem.mode = "slow_first_byte"
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(lambda: batch.rows.filter(tries=1).exists())
        shift.onprem.mode = "ok"
        await running

    work(office, scene)
    receipt = results(office.finalized(batch).output_file_id)[0]["sluice"]
    assert receipt["earlier_attempt_lost"] is True
    assert receipt["attempt"] == 2


def test_what_fails_again_and_again_fails_with_its_reason(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.batches.retrying.LONGEST_WAIT_S", 0.05)
    batch = office.begun(lines([row("bad", model="vendor"), row("good", model="private")]))

    async def scene(shift: Shift) -> None:
        shift.cloud.mode = "failing"
        await shift.drive(batch).run()
        assert len(shift.cloud.received) == 5

    work(office, scene)
    ended = office.finalized(batch)
    assert (ended.status, ended.completed, ended.failed) == (Status.COMPLETED, 1, 1)
    failed = results(ended.error_file_id)[0]
    assert failed["custom_id"] == "bad"
    assert failed["response"]["status_code"] == 503
    assert failed["sluice"]["attempts"] == "claude cloud http_500"
    assert failed["sluice"]["attempt"] == 5
    assert batch.rows.get(index=0).code == "no_deployment_available"


def test_a_batch_whose_rows_all_failed_is_failed(office: Office) -> None:
    batch = office.begun(lines([row("a", model="nobody-has-it"), row("b", model="nor-this")]))
    ended = run_to_end(office, batch)
    assert ended.status == Status.FAILED
    assert ended.failed_at is not None
    assert ended.completed_at is None
    assert [problem["code"] for problem in ended.errors] == ["all_requests_failed"]
    assert [line["response"]["status_code"] for line in results(ended.error_file_id)] == [404, 404]


def test_a_key_that_is_new_is_not_a_key_that_was_revoked(office: Office) -> None:
    batch = office.begun(lines([row("a")]))

    async def scene(shift: Shift) -> None:
        assert shift.snapshots.snapshot is not None
        keys = shift.snapshots.snapshot.keys
        shift.change(keys={})  # a snapshot from before the key was made
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(lambda: batch.rows.filter(attempt__gte=1).exists())
        shift.change(keys=keys)
        await running

    work(office, scene)
    assert office.finalized(batch).status == Status.COMPLETED


def test_a_revoked_key_stops_its_batch_and_keeps_what_is_there(office: Office) -> None:
    batch = office.begun(lines([row(f"r{n}", model="private") for n in range(60)]))

    async def scene(shift: Shift) -> None:
        shift.onprem.mode = "slow_first_byte"
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(lambda: len(shift.onprem.received) == 8)
        await shift.desk(revoke_api_key, by=SETUP, key=office.key)
        shift.change(keys={})
        shift.onprem.mode = "ok"
        shift.onprem.release.set()
        await running
        assert len(shift.onprem.received) == 8  # what waited for its turn was not asked any more

    work(office, scene)
    ended = office.finalized(batch)
    assert ended.status == Status.CANCELLED
    assert (ended.completed, ended.failed) == (8, 52)
    assert [problem["code"] for problem in ended.errors] == ["invalid_api_key"]
    unrun = results(ended.error_file_id)
    assert {line["error"]["code"] for line in unrun} == {"batch_cancelled"}


def test_whoever_leaves_gives_back_what_was_never_asked_and_says_what_was(office: Office) -> None:
    batch = office.begun(lines([row(f"r{n}", model="private") for n in range(60)]))

    async def scene(shift: Shift) -> None:
        shift.onprem.mode = "slow_first_byte"
        running = asyncio.create_task(shift.drive(batch).run())
        await shift.until(lambda: len(shift.onprem.received) == 8)
        running.cancel()
        await asyncio.wait([running])

    work(office, scene)
    assert states(batch) == [RowState.PENDING] * 60
    assert batch.rows.filter(lost=True, tries=1).count() == 8
    assert batch.rows.filter(lost=False, tries=0).count() == 52
    batch.refresh_from_db()
    assert batch.driver == ""


def test_rows_leased_but_never_begun_come_back_when_their_driver_lets_go(office: Office) -> None:
    batch = office.begun(lines([row("a"), row("b")]))
    by, now = office.claim_name(), timezone.now()
    assert claims.claim(batch.pk, by=by, statuses=rows.RUNNING, now=now)
    assert len(rows.lease(batch.pk, by=by, limit=1, now=now)) == 1
    claims.release(batch.pk, by=by)
    assert states(batch) == [RowState.PENDING] * 2
    assert not batch.rows.filter(lost=True).exists()


def test_the_input_carries_its_label_once_every_row_was_read(office: Office) -> None:
    batch = office.begun(lines([row("a"), row("b", f"pay {IBAN}")]))
    ended = run_to_end(office, batch)
    for file_id in (ended.input_file_id, ended.output_file_id):
        file = StoredFile.objects.get(pk=file_id)
        assert (file.sensitivity, file.categories) == ("confidential", ["payment"])


def test_an_input_with_a_row_that_nobody_could_read_stays_unlabelled(office: Office) -> None:
    broken = row("b", f"pay {IBAN}")
    del broken["body"]["model"]
    batch = office.begun(lines([row("a"), broken]))
    ended = run_to_end(office, batch)
    assert (ended.completed, ended.failed, ended.unlabelled) == (1, 1, 1)
    assert StoredFile.objects.get(pk=ended.input_file_id).sensitivity == ""
    assert StoredFile.objects.get(pk=ended.output_file_id).sensitivity == "internal"


def test_a_declaration_for_the_file_holds_for_each_row(office: Office) -> None:
    batch = office.begun(
        lines([row("a", model="cloud-first"), row("b", model="vendor")]), declared="health"
    )

    async def scene(shift: Shift) -> None:
        await shift.drive(batch).run()
        assert len(shift.onprem.received) == 1
        assert not shift.cloud.received

    work(office, scene)
    ended = office.finalized(batch)
    assert results(ended.output_file_id)[0]["sluice"]["categories"] == ["health"]
    assert results(ended.error_file_id)[0]["response"]["status_code"] == 403
    assert BatchRow.objects.get(batch=batch, index=1).code == "policy_denied"
    # Whoever goes on with the answers goes on with what was said of the questions.
    files = StoredFile.objects.filter(pk__in=[ended.output_file_id, ended.error_file_id])
    assert [file.declared for file in files] == ["health, restricted"] * 2


def test_one_rows_label_says_nothing_about_another_row(office: Office) -> None:
    batch = office.begun(
        lines([row("a", f"pay {IBAN}", model="cloud-first"), row("b", model="cloud-first")])
    )
    ended = run_to_end(office, batch)
    found = results(ended.output_file_id)
    assert [line["sluice"]["zone"] for line in found] == ["on_prem", "cloud"]
    assert [line["sluice"]["sensitivity"] for line in found] == ["confidential", "internal"]
