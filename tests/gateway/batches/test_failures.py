"""Rows that failed: why, and asking for them again in the same batch."""

import asyncio
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.audit.models import AuditEvent
from gateway.batches import failures, services
from gateway.batches.models import Batch, Status
from gateway.files import services as files
from gateway.files.models import StoredFile
from gateway.inference.contracts import Principal
from gateway.protocol.errors import InvalidRequest, NotFound
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


@pytest.fixture
def mixed(office: Office) -> Batch:
    """Ended: three rows answered, two that the policy refused, one whose model nobody has."""
    return run_to_end(
        office,
        office.begun(
            lines(
                [
                    row("a"),
                    row("iban1", f"pay {IBAN}", model="vendor"),
                    row("b"),
                    row("lost", model="nobody-has-it"),
                    row("iban2", f"pay {IBAN} again", model="vendor"),
                    row("c"),
                ]
            )
        ),
    )


def ids(file_id: str) -> list[str]:
    return [line["custom_id"] for line in results(file_id)]


def retried(office: Office, batch: Batch, **options: Any) -> Batch:
    failures.retry_failed(office.principal, batch.pk, **options)
    return run_to_end(office, Batch.objects.get(pk=batch.pk))


def test_reasons_are_counted_the_commonest_first(office: Office, mixed: Batch) -> None:
    with CaptureQueriesContext(connection) as asked:
        found = failures.reasons_of(mixed)
    assert [(each.code, each.rows) for each in found] == [
        ("policy_denied", 2),
        ("model_not_found", 1),
    ]
    assert len(asked) == 1


def test_rows_of_one_reason_are_asked_again_of_another_model(office: Office, mixed: Batch) -> None:
    before = (mixed.output_file_id, mixed.error_file_id)
    answered = results(mixed.output_file_id)
    ended = retried(office, mixed, codes=["policy_denied"], model="private")

    assert ended.status == Status.COMPLETED
    assert (ended.total, ended.completed, ended.failed) == (6, 5, 1)
    assert ids(ended.output_file_id) == ["a", "iban1", "b", "iban2", "c"]
    assert ids(ended.error_file_id) == ["lost"]
    again = {line["custom_id"]: line for line in results(ended.output_file_id)}
    # What was answered before was not asked again.
    assert [again[name] for name in "abc"] == answered
    assert again["iban1"]["sluice"]["zone"] == "on_prem"
    # The files of before gave way.
    assert not StoredFile.objects.filter(pk__in=before).exists()
    assert not StoredFile.objects.exclude(holds=0).exists()
    event = AuditEvent.objects.get(type="batch.retried")
    assert (event.details["rows"], event.details["model"]) == (2, "private")


def test_every_failed_row_may_fail_again_for_the_same_reason(office: Office, mixed: Batch) -> None:
    ended = retried(office, mixed)
    assert (ended.completed, ended.failed) == (3, 3)
    assert ids(ended.output_file_id) == ["a", "b", "c"]
    assert ids(ended.error_file_id) == ["iban1", "lost", "iban2"]


def test_another_model_never_gets_what_it_may_not_receive(office: Office, mixed: Batch) -> None:
    failures.retry_failed(office.principal, mixed.pk, model="vendor")

    async def scene(shift: Shift) -> None:
        await shift.drive(mixed).run()
        bodies = b"".join(each.body for each in shift.cloud.received)
        assert len(shift.cloud.received) == 1  # the row whose model nobody had
        assert b"3704" not in bodies

    work(office, scene)
    assert ids(office.finalized(mixed).error_file_id) == ["iban1", "iban2"]


def test_a_retry_that_is_cancelled_keeps_every_result(office: Office, mixed: Batch) -> None:
    failures.retry_failed(office.principal, mixed.pk)
    services.cancel_batch(office.principal, mixed.pk)
    ended = office.finalized(Batch.objects.get(pk=mixed.pk))
    assert ended.status == Status.CANCELLED
    assert ids(ended.output_file_id) == ["a", "b", "c"]
    assert [line["error"]["code"] for line in results(ended.error_file_id)] == [
        "batch_cancelled"
    ] * 3
    assert (ended.completed, ended.failed) == (3, 3)
    # And those can be asked for once more.
    assert [each.code for each in failures.reasons_of(ended)] == ["batch_cancelled"]
    assert retried(office, ended, model="private").completed == 6


def test_a_retry_killed_while_it_writes_its_files_loses_nothing(
    office: Office, mixed: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures.retry_failed(office.principal, mixed.pk, model="private")

    async def scene(shift: Shift) -> None:
        await shift.drive(mixed).run()

    work(office, scene)
    with monkeypatch.context() as broken:
        broken.setattr("gateway.batches.finalizing.end", _interrupted)
        with pytest.raises(asyncio.CancelledError):
            office.finalized(mixed)
    names = set(StoredFile.objects.values_list("pk", flat=True))
    assert names == {mixed.input_file_id, mixed.output_file_id, mixed.error_file_id}
    ended = office.finalized(mixed)
    assert ids(ended.output_file_id) == ["a", "iban1", "b", "lost", "iban2", "c"]
    assert ended.error_file_id == ""


def _interrupted(*_: object, **__: object) -> None:
    raise asyncio.CancelledError


def test_what_cannot_be_retried_is_said_and_nothing_is_changed(
    office: Office, mixed: Batch
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        failures.retry_failed(office.principal, mixed.pk, codes=["rate_limited"])
    assert refused.value.code == "nothing_to_retry"
    stranger = Principal(actor="user:2", project="nowhere")
    with pytest.raises(NotFound):
        failures.retry_failed(stranger, mixed.pk)
    files.delete_file(office.principal, mixed.output_file_id)
    with pytest.raises(InvalidRequest) as gone:
        failures.retry_failed(office.principal, mixed.pk)
    assert gone.value.code == "file_gone"
    mixed.refresh_from_db()
    assert (mixed.status, mixed.failed) == (Status.COMPLETED, 3)
    assert not StoredFile.objects.exclude(holds=0).exists()


def test_a_batch_that_runs_is_not_retried(office: Office) -> None:
    batch = office.begun(lines([row("a")]))
    with pytest.raises(InvalidRequest) as refused:
        failures.retry_failed(office.principal, batch.pk)
    assert refused.value.code == "batch_not_ended"
