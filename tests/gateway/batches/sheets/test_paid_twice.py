"""A row of a table that may have been paid for twice says so, whatever comes after."""

import json
from typing import Any

from gateway.batches.sheets import runs
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.results import PAID_TWICE
from tests.gateway.batches.sheets.conftest import Lab
from tests.gateway.batches.sheets.test_runs import said, table


def begun(lab: Lab, *texts: str, **setup: Any) -> Sheet:
    return runs.run(lab.member, lab.estimated(table(*texts), **setup))


def lose(sheet: Sheet, number: int) -> None:
    """The machine that had sent the row died."""
    assert sheet.batch is not None
    sheet.batch.rows.filter(index=number - 1).update(lost=True, tries=1)


def noted(lab: Lab, sheet: Sheet) -> list[tuple[str, str | None]]:
    return [(row["_status"], row["_error"]) for row in lab.rows(sheet)]


def test_a_row_whose_machine_died_says_so_beside_its_answer(lab: Lab) -> None:
    lab.answer(said)
    sheet = begun(lab, "a", "b")
    sheet = lab.worked(sheet, during=lambda: lose(sheet, 2))
    assert noted(lab, sheet) == [("completed", None), ("completed", PAID_TWICE)]


def test_it_says_so_while_it_waits_and_after_the_job_went_on(lab: Lab) -> None:
    lab.answer(said)
    sheet = begun(lab, "a", "b")

    def paused() -> None:
        lose(sheet, 1)
        runs.pause(lab.member, lab.again(sheet))

    waiting = lab.worked(sheet, during=paused)
    assert noted(lab, waiting) == [("pending", PAID_TWICE), ("pending", None)]
    assert (waiting.status, waiting.completed, waiting.failed) == ("paused", 0, 0)
    done = lab.worked(runs.run(lab.member, waiting))
    assert noted(lab, done) == [("completed", PAID_TWICE), ("completed", None)]
    assert (done.status, done.completed) == ("completed", 2)


def test_a_row_that_failed_says_so_and_goes_on_saying_so_when_it_is_retried(lab: Lab) -> None:
    lab.answer(lambda _: "{")
    schema = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
    sheet = begun(lab, "a", schema=schema)
    failed = lab.worked(sheet, during=lambda: lose(sheet, 1))
    assert noted(lab, failed) == [("failed", f"answer_invalid: {{ ({PAID_TWICE})")]

    retrying = runs.retry(lab.member, failed)
    stopped = lab.worked(retrying, during=lambda: stop(lab, retrying))
    assert noted(lab, stopped) == [("failed", f"answer_invalid: {{ ({PAID_TWICE})")]

    lab.answer(lambda _: json.dumps({"n": "x"}))
    done = lab.worked(runs.retry(lab.member, stopped))
    assert noted(lab, done) == [("completed", PAID_TWICE)]


def stop(lab: Lab, sheet: Sheet) -> None:
    runs.cancel(lab.member, lab.again(sheet))
