"""The dry run tells what the run then does; the preview shows what it would send."""

import json
from typing import Any

import pytest

from gateway.accounts.models import ProjectLimits
from gateway.audit.models import AuditEvent
from gateway.batches.sheets import runs, services
from gateway.batches.sheets.estimating import estimate
from gateway.batches.sheets.models import Sheet, SheetStatus
from gateway.batches.sheets.preview import preview
from gateway.batches.sheets.problems import SheetRefused, SheetState
from gateway.files.models import StoredFile
from gateway.protocol.errors import InvalidRequest, RequestTooLarge
from tests.gateway.batches.sheets.conftest import EMAIL, IBAN, Lab
from tests.gateway.batches.sheets.test_runs import MIXED, said, table

HELD = {"id": "no-keys", "when": {"category": "secret"}, "then": {"deny": True}}
SECRET = "AKIAIOSFODNN7EXAMPLE"


def found(sheet: Sheet) -> dict[str, Any]:
    assert sheet.estimate is not None
    return dict(sheet.estimate)


def test_the_dry_run_counts_where_all_rows_would_go_and_sends_none(lab: Lab) -> None:
    sheet = lab.estimated(MIXED + f"5,key {SECRET}\n", model="auto", max_tokens=20)
    told = found(sheet)
    assert sheet.status == "ready"
    assert {each["name"]: each["rows"] for each in told["destinations"]} == {
        **{"cloud": 2, "on_prem": 2, "cloud_masked": 1}
    }
    assert (told["rows"], told["to_send"], told["held"]) == (5, 5, [])
    assert told["label"] == {
        "sensitivity": "restricted",
        "categories": ["payment", "personal", "secret"],
    }
    assert told["rows_with"]["IBAN"] == 1
    assert told["tokens"]["output_most"] == 100
    assert not told["tokens"]["output_is_assumed"]
    assert told["cost_usd"] is None  # nobody knows what vendor.example asks
    assert told["time_s"] is None  # nobody has answered yet
    assert not lab.cloud.received
    assert not lab.onprem.received


def test_held_rows_are_told_with_their_reason(lab: Lab) -> None:
    told = found(lab.estimated(table("hello", f"pay {IBAN}", f"and {IBAN}"), model="claude"))
    assert (told["rows"], told["to_send"]) == (3, 1)
    (held,) = told["held"]
    assert (held["code"], held["rows"], held["samples"]) == ("policy_denied", 2, [2, 3])
    assert held["sentence"]
    assert "3704" not in json.dumps(told)


def test_the_run_does_what_the_dry_run_said(lab: Lab) -> None:
    lab.answer(said)
    sheet = lab.estimated(MIXED)
    told = found(sheet)
    rows = lab.rows(lab.worked(runs.run(lab.member, sheet)))
    for each in told["destinations"]:
        ran = [
            row
            for row in rows
            if (row["_zone"], bool(row["_masked"])) == (each["zone"], each["masked"])
        ]
        assert len(ran) == each["rows"]


def test_time_and_cost_are_told_when_they_are_known(lab: Lab) -> None:
    sheet = lab.estimated(table(f"pay {IBAN}"))
    assert found(sheet)["cost_usd"] == {"least": "0.000000000", "most": "0.000000000"}


def test_what_every_row_carries_is_told_apart(lab: Lab) -> None:
    told = found(lab.estimated(table("a", "b"), system=f"Answer as {EMAIL} would."))
    assert told["every_row_has"] == {"EMAIL_ADDRESS": 1}
    told = found(lab.estimated(table("a", EMAIL)))
    assert told["every_row_has"] == {}


def test_an_estimate_that_was_interrupted_is_made_by_the_next_worker(lab: Lab) -> None:
    sheet = lab.configured(MIXED)
    services.begin_estimate(lab.member, sheet)
    Sheet.objects.filter(pk=sheet.pk).update(worker="gone", worker_until=sheet.created_at)
    assert estimate(sheet.pk, process=lab.presence.name)
    assert lab.again(sheet).status == SheetStatus.READY
    # Twice is harmless.
    assert not estimate(sheet.pk, process=lab.presence.name)


def test_the_preview_shows_one_row_of_each_destination_as_it_would_be_sent(lab: Lab) -> None:
    many = table(*["fine"] * 40, f"write to {EMAIL}", *["fine"] * 40, f"pay {IBAN}")
    for sheet in (lab.configured(many), lab.estimated(many)):
        rows = preview(sheet, count=3)
        names = {row["destination"]["name"]: row for row in rows}
        assert set(names) == {"cloud", "cloud_masked", "on_prem"}
        (masked,) = names["cloud_masked"]["prompt"]
        assert EMAIL not in masked["text"]
        (mark,) = masked["marks"]
        assert (mark["class"], mark["fate"]) == ("EMAIL_ADDRESS", "placeholder")
        assert masked["text"] == f"write to {masked['text'][mark['start'] : mark['end']]}"
        (clear,) = names["on_prem"]["prompt"]
        (mark,) = clear["marks"]
        assert clear["text"][mark["start"] : mark["end"]] == IBAN
        assert mark["fate"] == "open"
        (finding,) = names["on_prem"]["findings"]
        assert (finding["class"], finding["place"]) == ("IBAN", "/messages/0/content")
    assert not lab.cloud.received
    assert AuditEvent.objects.filter(type="sheet.started").count() == 0


def test_the_preview_of_a_masked_row_is_what_the_server_then_gets(lab: Lab) -> None:
    sheet = lab.estimated(table(f"write to {EMAIL} now"))
    ((shown,),) = [row["prompt"] for row in preview(sheet)]
    lab.worked(runs.run(lab.member, sheet))
    (sent,) = [json.loads(each.body) for each in lab.cloud.received]
    assert sent["messages"] == [{"role": "user", "content": shown["text"]}]


def test_a_held_row_is_previewed_with_its_reason(lab: Lab) -> None:
    (row,) = preview(lab.configured(table(f"pay {IBAN}"), model="claude"))
    assert row["destination"] is None
    assert row["held"]["code"] == "policy_denied"
    assert [mark["fate"] for mark in row["prompt"][0]["marks"]] == ["held"]


@pytest.mark.parametrize(
    ("setup", "param"),
    [
        ({"template": "{{txet}}"}, "template"),
        ({"template": "no column"}, "template"),
        ({"template": "{{text}}", "system": "{{nope}}"}, "system"),
        ({"template": "{{text}}", "model": "gpt"}, "model"),
        ({"template": "{{text}}", "kind": "poetry"}, "setup"),
        ({"template": "{{text}}", "labels": ["a", "b"]}, "labels"),
        ({"template": "{{text}}", "kind": "classification", "labels": ["a", "a"]}, "labels"),
        ({"template": "{{text}}", "schema": {"type": "string"}}, "schema"),
        ({"template": "{{text}}", "temperature": 3}, "temperature"),
        ({"template": "{{text}}", "examples": {"rows": [9], "answer": "id"}}, "examples.rows"),
        ({"template": "{{text}}", "examples": {"rows": [1], "answer": "x"}}, "examples.answer"),
        ({"template": "{{text}}", "kind": "embeddings", "system": "x"}, "kind"),
    ],
)
def test_a_bad_setup_is_refused_with_its_place(lab: Lab, setup: dict[str, Any], param: str) -> None:
    sheet = lab.uploaded(table("a", "b"))
    with pytest.raises(InvalidRequest) as caught:
        services.configure(lab.member, sheet, {"model": "auto"} | setup)
    assert caught.value.param == param
    assert lab.again(sheet).sealed_setup is None


def test_an_unknown_column_is_named_with_the_one_that_was_meant(lab: Lab) -> None:
    with pytest.raises(InvalidRequest, match=r"\{\{txet\}\}.*\{\{text\}\}") as caught:
        lab.configured(table("a"), "{{txet}}")
    assert caught.value.code == "unknown_column"


def test_a_schema_that_points_elsewhere_is_refused_and_nothing_is_fetched(lab: Lab) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": f"{lab.onprem.base_url}/schema"}}}
    with pytest.raises(InvalidRequest, match="must point inside"):
        lab.configured(table("a"), schema=schema)
    assert not lab.onprem.received


def test_nothing_is_left_of_a_table_that_is_refused(lab: Lab) -> None:
    content = "a,text\n" + "1,x\n" * 5000 + "1,x,y\n" + "1,x\n" * 5000
    with pytest.raises(SheetRefused, match="line 5002"):
        lab.uploaded(content)
    assert not Sheet.objects.exists()
    assert not StoredFile.objects.exists()
    assert not [path for path in lab.folder.glob("[fi]*/**/*") if path.is_file()]


def test_a_table_may_have_as_many_rows_and_bytes_as_the_project_allows(lab: Lab) -> None:
    ProjectLimits.objects.create(project=lab.project, batch_rows=2)
    lab.uploaded(table("a", "b"))
    with pytest.raises(SheetRefused, match="at most 2 rows"):
        lab.uploaded(table("a", "b", "c"))
    ProjectLimits.objects.update(file_bytes=10)
    with pytest.raises(RequestTooLarge):
        lab.uploaded(table("a", "b"))
    assert Sheet.objects.count() == StoredFile.objects.count() == 1


def test_as_many_run_at_once_as_the_project_allows(lab: Lab) -> None:
    ProjectLimits.objects.create(project=lab.project, active_batches=1)
    first, second = lab.estimated(table("a")), lab.estimated(table("b"))
    runs.run(lab.member, first)
    before = StoredFile.objects.count()
    with pytest.raises(InvalidRequest) as caught:
        runs.run(lab.member, second)
    assert caught.value.code == "too_many_batches"
    assert lab.again(second).status == "ready"
    assert StoredFile.objects.count() == before


def test_a_table_that_was_deleted_meanwhile_says_so(lab: Lab) -> None:
    sheet = lab.configured(table("a"))
    StoredFile.objects.all().delete()
    with pytest.raises(SheetState) as caught:
        preview(sheet)
    assert caught.value.code == "table_gone"
