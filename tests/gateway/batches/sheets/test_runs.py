"""A table's rows are sent where each may go, and come back beside what was asked."""

import base64
import json
import random
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from gateway.accounts.services import deactivate_user
from gateway.audit.models import AuditEvent
from gateway.batches.sheets import runs, services
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.problems import SheetState
from gateway.files.models import StoredFile
from gateway.privacy.erasing import erase
from gateway.protocol.errors import InvalidRequest
from policies.engine.labels import Taxonomy
from tests.gateway.batches.sheets.conftest import EMAIL, IBAN, Lab
from tests.support.world import SETUP


def table(*texts: str) -> str:
    return "id,text\n" + "".join(f"{number},{text}\n" for number, text in enumerate(texts, start=1))


def said(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


MIXED = table("hello", f"pay {IBAN}", f"write to {EMAIL}", "good bye")


def test_each_row_goes_where_it_may_and_comes_back_beside_its_cells(lab: Lab) -> None:
    lab.answer(lambda body: f"echo: {said(body)}")
    sheet = lab.ran(MIXED)

    assert (sheet.status, sheet.completed, sheet.failed) == ("completed", 4, 0)
    rows = lab.rows(sheet)
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["_zone"] for row in rows] == ["cloud", "on_prem", "cloud", "cloud"]
    # What was masked on the way out is restored on the way back.
    assert [row["answer"] for row in rows] == [f"echo: {row['text']}" for row in rows]
    assert [row["_masked"] for row in rows] == [0, 0, 1, 0]
    assert {row["_status"] for row in rows} == {"completed"}
    assert rows[0]["_rule"] == "project:mask-mail"
    assert rows[0]["_tokens"] == 12
    assert rows[1]["_cost"] == "0.000000000"
    assert rows[0]["_error"] is None
    assert len(lab.cloud.received) == 3
    assert b"3704" not in lab.cloud.everything
    assert EMAIL.encode() not in lab.cloud.everything


def test_no_cell_no_name_and_no_answer_is_in_the_database_or_on_the_disk(lab: Lab) -> None:
    lab.answer(lambda _: "answer-4711")
    sheet = lab.uploaded("planted_column,text\nplanted-cell,x\n", name="planted-name.csv")
    setup = {"model": "auto", "template": "planted-prompt {{planted_column}} {{text}}"}
    services.configure(lab.member, sheet, setup)
    sheet = lab.worked(runs.run(lab.member, lab.estimate(sheet)))
    assert lab.rows(sheet)[0]["answer"] == "answer-4711"

    found = " ".join(str(row) for row in Sheet.objects.values()).encode()
    found += " ".join(str(row) for row in AuditEvent.objects.values()).encode()
    found += " ".join(str(row) for row in StoredFile.objects.values()).encode()
    for path in lab.folder.rglob("*"):
        if path.is_file():
            found += path.read_bytes()
    for planted in (b"planted", b"4711"):
        assert planted not in found


def test_a_job_whose_rows_all_failed_is_failed_and_never_completed(lab: Lab) -> None:
    for upstream in (lab.onprem, lab.cloud):
        upstream.reset("raw")
        upstream.server.raw = (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            b'content-length: 33\r\n\r\n{"error": {"message": "no thanks"}}'[:-2]
        )
    sheet = lab.ran(table("one", "two"))
    assert (sheet.status, sheet.completed, sheet.failed) == ("failed", 0, 2)
    assert [row["_status"] for row in lab.rows(sheet)] == ["failed", "failed"]
    assert sum(sheet.failures.values()) == 2


def test_only_failed_rows_are_retried_and_answers_stay(lab: Lab) -> None:
    lab.answer(lambda body: "{" if said(body) == "two" else json.dumps({"n": said(body)}))
    schema = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
    sheet = lab.ran(table("one", "two", "three"), schema=schema)
    assert (sheet.status, sheet.completed, sheet.failures) == (
        *("completed", 2),
        {"answer_invalid": 1},
    )
    rows = lab.rows(sheet)
    assert [row["n"] for row in rows] == ["one", None, "three"]
    assert rows[1]["_error"].startswith("answer_invalid")

    lab.answer(lambda body: json.dumps({"n": f"again {said(body)}"}))
    with pytest.raises(SheetState, match="No row failed"):
        runs.retry(lab.member, sheet, codes=["policy_denied"])
    with pytest.raises(InvalidRequest, match="no model 'gpt'"):
        runs.retry(lab.member, sheet, model="gpt")
    begun = runs.retry(lab.member, sheet, codes=["answer_invalid"], model="llama")
    assert begun.done == (2, 0)
    sheet = lab.worked(begun)
    assert (sheet.status, sheet.completed, sheet.failed) == ("completed", 3, 0)
    rows = lab.rows(sheet)
    assert [row["n"] for row in rows] == ["one", "again two", "three"]
    assert rows[1]["_zone"] == "on_prem"
    assert len(lab.onprem.received) == 1
    assert not lab.cloud.received


def test_a_retry_with_another_model_is_decided_anew(lab: Lab) -> None:
    sheet = lab.ran(table("hello", f"pay {IBAN}"), model="claude")
    assert (sheet.status, sheet.failures) == ("completed", {"policy_denied": 1})
    sheet = lab.worked(runs.retry(lab.member, sheet, model="auto"))
    assert [row["_zone"] for row in lab.rows(sheet)] == ["cloud", "on_prem"]
    assert b"3704" not in lab.cloud.everything


def test_what_is_paused_goes_on_where_it_stopped(lab: Lab) -> None:
    lab.answer(said)
    sheet = runs.run(lab.member, lab.estimated(table(*"abcdef")))
    # Any member may stop it; whoever made it goes on.
    sheet = lab.worked(sheet, during=lambda: _stop(runs.pause, lab, sheet))
    assert (sheet.status, sheet.reason) == ("paused", "asked")
    before = len(lab.cloud.received)
    assert sheet.completed == before < 6
    with pytest.raises(PermissionDenied):
        runs.run(lab.colleague, sheet)
    sheet = lab.worked(runs.run(lab.member, sheet))
    assert (sheet.status, sheet.completed) == ("completed", 6)
    assert [row["answer"] for row in lab.rows(sheet)] == list("abcdef")
    assert len(lab.cloud.received) == 6


def test_what_is_cancelled_keeps_its_rows_and_does_not_go_on(lab: Lab) -> None:
    sheet = runs.run(lab.member, lab.estimated(table(*"abc")))
    sheet = lab.worked(sheet, during=lambda: _stop(runs.cancel, lab, sheet))
    assert sheet.status == "cancelled"
    assert {row["_status"] for row in lab.rows(sheet)} == {"pending"}
    with pytest.raises(SheetState):
        runs.run(lab.member, sheet)


def test_a_colleague_stops_what_somebody_made_who_is_gone(lab: Lab) -> None:
    sheet = runs.run(lab.member, lab.estimated(table("a", "b")))
    deactivate_user(by=SETUP, user=lab.member)
    runs.cancel(lab.colleague, lab.again(sheet))
    assert lab.worked(sheet).status == "cancelled"


def test_what_a_dead_worker_held_can_be_run(lab: Lab) -> None:
    sheet = lab.estimated(table("a"))
    Sheet.objects.filter(pk=sheet.pk).update(worker="dead", worker_until=sheet.created_at)
    assert lab.worked(runs.run(lab.member, lab.again(sheet))).status == "completed"


def _stop(how: Any, lab: Lab, sheet: Sheet) -> None:
    how(lab.colleague, lab.again(sheet))


def test_a_policy_published_meanwhile_pauses_and_a_new_estimate_goes_on(lab: Lab) -> None:
    lab.answer(said)
    sheet = runs.run(lab.member, lab.estimated(MIXED))
    stays = {"id": "stays", "when": {}, "then": {"allow_only": {"zone": "on_prem"}}}
    sheet = lab.worked(sheet, during=lambda: lab.publish(rules=[stays]))
    assert (sheet.status, sheet.reason, sheet.completed) == ("paused", "policy_changed", 0)
    assert not lab.cloud.received
    assert not lab.onprem.received

    with pytest.raises(SheetState, match="Estimate again") as caught:
        runs.run(lab.member, sheet)
    assert caught.value.code == "policy_changed"
    sheet = lab.estimate(sheet)
    assert sheet.estimate is not None
    assert [each["zone"] for each in sheet.estimate["destinations"]] == ["on_prem"]
    sheet = lab.worked(runs.run(lab.member, sheet))
    assert sheet.status == "completed"
    assert not lab.cloud.received


def test_a_policy_published_after_the_estimate_keeps_it_from_running(lab: Lab) -> None:
    sheet = lab.estimated(MIXED)
    lab.publish(rules=[])
    with pytest.raises(SheetState, match="Estimate again"):
        runs.run(lab.member, sheet)


def test_rows_chosen_as_examples_are_shown_and_not_asked(lab: Lab) -> None:
    lab.answer(lambda _: json.dumps({"label": "bad"}))
    content = "text,mood\nfine day,good\nrainy day,\nnice,good\n"
    sheet = lab.ran(
        content,
        kind="classification",
        labels=["good", "bad"],
        examples={"rows": [3, 1], "answer": "mood"},
        system="Judge.",
    )
    assert [row["_status"] for row in lab.rows(sheet)] == ["example", "completed", "example"]
    assert lab.rows(sheet)[1]["label"] == "bad"
    (sent,) = [json.loads(each.body) for each in lab.cloud.received]
    assert [message["content"] for message in sent["messages"]] == [
        *("Judge.\n\nAnswer with one of: good, bad.", "nice", '{"label":"good"}'),
        *("fine day", '{"label":"good"}', "rainy day"),
    ]
    enum = sent["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"]
    assert enum == ["good", "bad"]


def test_a_label_that_was_not_offered_is_a_failure(lab: Lab) -> None:
    lab.answer(lambda body: "great" if said(body) == "a" else "good")
    sheet = lab.ran(table("a", "b"), kind="classification", labels=["good", "bad"])
    assert [row["label"] for row in lab.rows(sheet)] == [None, "good"]
    assert sheet.failures == {"answer_invalid": 1}


def test_embeddings_are_a_column(lab: Lab) -> None:
    for upstream in (lab.onprem, lab.cloud):
        upstream.reset("answering")
        upstream.server.answering = lambda body: {
            "data": [{"embedding": [0.5, len(body["input"])], "index": 0}],
            "model": "e",
        }
    sheet = lab.ran(table("abc", f"pay {IBAN}"), kind="embeddings")
    rows = lab.rows(sheet)
    assert json.loads(rows[0]["embedding"]) == [0.5, 3]
    assert [row["_zone"] for row in rows] == ["cloud", "on_prem"]


def test_what_is_declared_for_the_table_holds_for_every_row(lab: Lab) -> None:
    sheet = lab.uploaded(table("hello"), declared="health")
    services.configure(lab.member, sheet, {"model": "auto", "template": "{{text}}"})
    sheet = lab.worked(runs.run(lab.member, lab.estimate(sheet)))
    assert [row["_zone"] for row in lab.rows(sheet)] == ["on_prem"]
    assert not lab.cloud.received
    assert "health" in StoredFile.objects.get(pk=sheet.answers_file_id).declared


def test_a_later_look_at_clean_rows_takes_no_label_away(lab: Lab) -> None:
    lab.answer(lambda body: "{" if said(body) == "hello" else json.dumps({"n": "x"}))
    schema = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
    sheet = lab.ran(table("hello", f"pay {IBAN}"), schema=schema)

    def labels() -> list[tuple[str, list[str]]]:
        found = lab.again(sheet)
        file = StoredFile.objects.get(pk=found.answers_file_id)
        return [(each.sensitivity, each.categories) for each in (found, file)]

    assert (sheet.completed, sheet.failed) == (1, 1)
    assert labels() == [("confidential", ["payment"])] * 2
    lab.answer(lambda _: json.dumps({"n": "x"}))
    lab.worked(runs.retry(lab.member, sheet, codes=["answer_invalid"]))
    finished = AuditEvent.objects.filter(type="sheet.finished").latest("pk")
    assert finished.details["sensitivity"] == "confidential"
    assert labels() == [("confidential", ["payment"])] * 2
    Sheet.objects.filter(pk=sheet.pk).update(status="paused")
    lab.estimate(lab.again(sheet))
    assert labels() == [("confidential", ["payment"])] * 2


def test_what_only_the_run_finds_is_said_with_each_download(lab: Lab) -> None:
    sheet = lab.estimated(table(f"pay {IBAN}"))
    Sheet.objects.filter(pk=sheet.pk).update(sensitivity="internal", categories=["code"])
    lab.answer(said)
    sheet = lab.worked(runs.run(lab.member, lab.again(sheet)))
    assert (sheet.sensitivity, sheet.categories) == ("confidential", ["code", "payment"])
    lab.rows(sheet)
    event = AuditEvent.objects.get(type="sheet.downloaded")
    assert event.details["categories"] == ["code", "payment"]


def test_a_later_look_forgets_nothing_of_rows_that_failed(lab: Lab) -> None:
    lab.answer(lambda _: "{")
    schema = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
    sheet = lab.ran(table(f"pay {IBAN}"), schema=schema)
    assert (sheet.status, sheet.failed) == ("failed", 1)
    Sheet.objects.filter(pk=sheet.pk).update(status="paused")
    assert lab.estimate(lab.again(sheet)).categories == ["payment"]


def test_the_answers_pass_on_what_any_row_of_any_run_did(lab: Lab) -> None:
    lab.answer(lambda body: "{" if said(body) == "hello" else json.dumps({"n": "x"}))
    schema = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
    enciphered = base64.b64encode(random.Random(4).randbytes(600)).decode()  # noqa: S311
    sheet = lab.ran(table("hello", enciphered), schema=schema)
    assert (sheet.completed, sheet.failed) == (1, 1)

    def declared() -> str:
        return StoredFile.objects.get(pk=lab.again(sheet).answers_file_id).declared

    assert declared() == Taxonomy().worst.words
    lab.answer(lambda _: json.dumps({"n": "x"}))
    again = lab.worked(runs.retry(lab.member, sheet, codes=["answer_invalid"]))
    assert (again.completed, again.failed) == (2, 0)
    assert declared() == Taxonomy().worst.words


def test_deleting_a_sheet_deletes_its_files(lab: Lab) -> None:
    sheet = lab.ran(table("a"))
    services.delete_sheet(lab.member, sheet)
    assert list(StoredFile.objects.values_list("state", "purpose", "holds")) == []
    assert not [path for path in (lab.folder / "files").rglob("*") if path.is_file()]


def test_erasing_a_person_erases_their_tables_and_answers(lab: Lab) -> None:
    done, running = lab.ran(table("a")), lab.estimated(table("b"))
    runs.run(lab.member, running)
    report = erase(by=SETUP, user=lab.member)
    assert report.erased["sheets"] == 2
    assert not Sheet.objects.filter(pk__in=[done.pk, running.pk]).exists()
    assert not StoredFile.objects.exists()
