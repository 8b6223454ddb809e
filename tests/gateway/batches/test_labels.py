"""What the rows of a batch pass on to its answers, and to whatever is made of those."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.batches import failures, services
from gateway.batches.models import Batch
from gateway.batches.validating import validate
from gateway.files.models import StoredFile
from policies.engine.labels import Taxonomy
from tests.gateway.batches.conftest import (
    IBAN,
    Office,
    Row,
    Shift,
    lines,
    row,
    run_to_end,
    work,
)
from tests.gateway.inference.conftest import policy

HEALTH: dict[str, Any] = {"metadata": {"sluice_declare": "health"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def with_image(custom_id: str) -> Row:
    made = row(custom_id)
    made["body"]["messages"][0]["content"] = [{"type": "text", "text": "what is it?"}, IMAGE]
    return made


def files_of(batch: Batch) -> dict[str, StoredFile]:
    found = StoredFile.objects.in_bulk([batch.output_file_id, batch.error_file_id])
    names = {"output": batch.output_file_id, "error": batch.error_file_id}
    return {name: found[pk] for name, pk in names.items() if pk}


@pytest.mark.parametrize(
    ("rows", "declared"),
    [
        pytest.param([row("a", **HEALTH)], "restricted, health", id="declared in the body"),
        pytest.param([with_image("a")], Taxonomy().worst.words, id="opaque"),
        pytest.param([row("a", f"pay {IBAN}")], "", id="found in the text"),
    ],
)
def test_the_output_passes_on_what_its_rows_do(
    office: Office, rows: list[Row], declared: str
) -> None:
    ended = run_to_end(office, office.begun(lines([*rows, row("clean")])))
    assert (ended.completed, ended.failed) == (2, 0)
    assert files_of(ended)["output"].declared == declared
    # The input's rows say it for themselves wherever they are rows again.
    assert StoredFile.objects.get(pk=ended.input_file_id).declared == ""


def test_what_the_file_and_what_a_row_declared_come_together(office: Office) -> None:
    batch = office.begun(lines([row("a", **HEALTH)]), declared="legal")
    output = files_of(run_to_end(office, batch))["output"]
    assert output.declared == "legal, restricted, health"
    assert (output.sensitivity, output.categories) == ("restricted", ["health", "legal"])


def test_a_row_that_was_refused_passes_on_what_it_declared_too(office: Office) -> None:
    batch = office.begun(lines([row("a"), row("b", model="vendor", **HEALTH)]))
    found = files_of(run_to_end(office, batch))
    assert [file.declared for file in found.values()] == ["restricted, health"] * 2


def test_a_row_that_is_retried_takes_nothing_away(office: Office) -> None:
    ended = run_to_end(office, office.begun(lines([row("a", **HEALTH), row("b", model="none")])))
    failures.retry_failed(office.principal, ended.pk, model="private")
    again = run_to_end(office, Batch.objects.get(pk=ended.pk))
    assert (again.completed, again.failed) == (2, 0)
    assert files_of(again)["output"].declared == "restricted, health"


def test_a_row_that_another_run_took_up_takes_nothing_away(office: Office) -> None:
    batch = office.begun(lines([row("a", **HEALTH)]))
    batch.rows.update(lost=True, tries=1)
    Batch.objects.filter(pk=batch.pk).update(passes_on="confidential, legal")
    ended = run_to_end(office, batch)
    assert files_of(ended)["output"].declared == "confidential, legal, restricted, health"


def test_more_may_be_declared_than_a_line_holds(office: Office) -> None:
    names = [f"a_category_of_our_own_number_{number}" for number in range(40)]
    document: dict[str, Any] = {"categories": dict.fromkeys(names, "internal")}
    file = office.upload(lines([row("a")]), declared=", ".join(["internal", *names[:20]]))
    wanted = services.Wanted(
        input_file_id=file.pk,
        endpoint="/v1/chat/completions",
        declared=", ".join(["internal", *names[20:]]),
    )
    batch = services.create_batch(office.principal, wanted)
    validate(batch.pk, process=office.presence.name)

    async def scene(shift: Shift) -> None:
        assert shift.snapshots.snapshot is not None
        view = replace(shift.snapshots.snapshot.projects["lab"], policy=policy(document))
        shift.change(projects={"lab": view})
        await shift.drive(batch).run()

    work(office, scene)
    output = files_of(office.finalized(batch))["output"]
    assert set(output.declared.split(", ")) == {"internal", *names}
    assert output.categories == sorted(names)
