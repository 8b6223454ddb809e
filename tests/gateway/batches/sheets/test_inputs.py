"""A run's prompts are written by a worker: whole, or not at all, and by nobody's request."""

from pathlib import Path
from typing import Any

import pytest

from gateway.batches.claims import ClaimLost
from gateway.batches.finalizing import finalize
from gateway.batches.sheets import runs, services
from gateway.batches.sheets.collecting import collect
from gateway.batches.sheets.inputs import Wish
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.prompts import Prompts
from gateway.batches.validating import validate
from gateway.files import blobs
from gateway.files.blobs import StorageUnavailable
from gateway.files.models import Purpose, StoredFile
from tests.gateway.batches.sheets.conftest import Lab
from tests.gateway.batches.sheets.test_runs import said, table


def begun(lab: Lab) -> Sheet:
    lab.answer(said)
    return runs.run(lab.member, lab.estimated(table("a", "b", "c")))


def validated(lab: Lab, sheet: Sheet) -> str:
    assert sheet.batch is not None
    validate(sheet.batch.pk, process=lab.presence.name)
    sheet.batch.refresh_from_db()
    return sheet.batch.status


def inputs() -> list[str]:
    """What is there but for the table itself."""
    return [file.state for file in StoredFile.objects.order_by("created_at")[1:]]


def test_no_request_reads_the_table_to_run_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = lab.estimated(table("a", "b"))

    def read(*_: object) -> None:
        pytest.fail("a row was read")

    with monkeypatch.context() as watched:
        watched.setattr(blobs, "open_blob", read)
        running = runs.run(lab.member, sheet)
    assert (running.status, inputs()) == ("running", [])
    assert running.batch is not None
    assert running.batch.input_file_id == ""
    lab.answer(said)
    assert lab.worked(running).completed == 2


def test_a_worker_that_dies_while_it_writes_leaves_nothing_and_another_begins_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = begun(lab)

    def killed(_: StoredFile) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("gateway.batches.validating.publish", killed)
        with pytest.raises(KeyboardInterrupt):
            validated(lab, sheet)
    assert inputs() == []
    sheet = lab.worked(sheet)
    assert (sheet.status, sheet.completed) == ("completed", 3)


def test_a_run_that_is_cancelled_while_it_is_written_sends_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet, body = begun(lab), Prompts.body
    asked: list[object] = []

    def cancelling(self: Prompts, *args: Any, **fields: Any) -> dict[str, Any]:
        if not asked:
            runs.cancel(lab.member, lab.again(sheet))
        asked.append(args)
        return body(self, *args, **fields)

    monkeypatch.setattr("gateway.batches.validating.RENEW_AFTER_S", 0.0)
    monkeypatch.setattr(Prompts, "body", cancelling)
    with pytest.raises(ClaimLost):
        validated(lab, sheet)
    assert (len(asked), inputs()) == (1, [])
    assert sheet.batch is not None
    finalize(sheet.batch.pk, process=lab.presence.name)
    assert collect(sheet.pk, process=lab.presence.name)
    sheet = lab.again(sheet)
    assert (sheet.status, sheet.completed, sheet.failed) == ("cancelled", 0, 0)
    assert not lab.cloud.received
    assert [file.holds for file in StoredFile.objects.all()] == [0]


def test_a_table_that_cannot_be_read_pauses_the_job_and_says_so(lab: Lab) -> None:
    sheet = begun(lab)
    for path in Path(lab.folder / "files").rglob("*"):
        if path.is_file():
            path.unlink()
    assert validated(lab, sheet) == "failed"
    assert collect(sheet.pk, process=lab.presence.name)
    sheet = lab.again(sheet)
    assert (sheet.status, sheet.reason) == ("paused", "table_gone")


def test_a_store_that_is_away_is_waited_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = begun(lab)

    def away(_: str) -> None:
        raise StorageUnavailable("503")

    with monkeypatch.context() as broken:
        broken.setattr(blobs, "open_blob", away)
        assert validated(lab, sheet) == "validating"
    assert lab.worked(sheet).completed == 3


def test_what_was_declared_for_the_table_holds_for_what_is_written(lab: Lab) -> None:
    sheet = lab.uploaded(table("hello"), declared="health")
    services.configure(lab.member, sheet, {"model": "auto", "template": "{{text}}"})
    sheet = runs.run(lab.member, lab.estimate(sheet))
    validated(lab, sheet)
    assert sheet.batch is not None
    assert sheet.batch.declared == sheet.declared == "public, health"
    file = StoredFile.objects.get(pk=sheet.batch.input_file_id)
    assert (file.purpose, file.declared, file.holds) == (Purpose.BATCH, "public, health", 1)


@pytest.mark.parametrize(
    ("wish", "taken"),
    [
        (Wish(model="m"), [None]),
        (Wish(model="m", retry=True), ["policy_denied", "budget_exceeded"]),
        (Wish(model="m", retry=True, codes=["budget_exceeded"]), ["budget_exceeded"]),
    ],
    ids=["what is left", "all that failed", "of one reason"],
)
def test_which_rows_are_asked_for(wish: Wish, taken: list[str | None]) -> None:
    codes = [None, "", "policy_denied", "budget_exceeded"]
    assert [code for code in codes if wish.takes(code)] == taken
