"""`verify` finds and names what was changed in the database; `export` gives everything back."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from gateway.audit import chain
from gateway.audit.export import ExportFormat, ExportKind, Selection, export
from gateway.audit.journal import FileJournal
from gateway.audit.lease import Lease
from gateway.audit.loader import Loader
from gateway.audit.models import RequestRecord
from gateway.audit.pages import in_pages
from gateway.audit.records import DecisionRecord
from gateway.audit.services import register_writer
from gateway.audit.verify import verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def loaded(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType
) -> Iterator[FileJournal]:
    """Six requests, their outcomes late and out of order: decisions 1-6, outcomes 7-11."""
    for number in range(1, 7):
        project = "research" if number % 2 else "=finance"
        at = datetime(2026, 1, number, tzinfo=UTC).timestamp()
        journal.append(writing.decision(number, project=project, at=at))
    for number in (5, 3, 1, 2, 4):
        journal.append(writing.outcome(number))
    loader.load()
    yield journal


def change(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == 1


CHANGES = {
    "a decision's text": (
        "UPDATE audit_requestrecord SET record = REPLACE(record, 'research', 'Research')"
        " WHERE seq = 3",
        "record 3",
    ),
    "an outcome's text": (
        "UPDATE audit_requestrecord SET outcome_record = REPLACE(outcome_record, '200', '201')"
        " WHERE outcome_seq = 8",
        "record 8",
    ),
    "a column": ("UPDATE audit_requestrecord SET zone = 'cloud' WHERE outcome_seq = 8", "record 8"),
    "a time": ("UPDATE audit_requestrecord SET at = '2020-01-01' WHERE seq = 2", "record 2"),
    "a list": ("UPDATE audit_requestrecord SET categories = '[]' WHERE seq = 2", "record 2"),
    "a state": ("UPDATE audit_requestrecord SET outcome_state='pending' WHERE seq = 2", "record 2"),
    "a row's absence": ("DELETE FROM audit_requestrecord WHERE seq = 4", "record 5"),
    "the first row's absence": ("DELETE FROM audit_requestrecord WHERE seq = 1", "record 2"),
    "the last row's absence": ("DELETE FROM audit_requestrecord WHERE seq = 6", "record 7"),
    "an outcome's absence": (
        "UPDATE audit_requestrecord SET outcome_seq = NULL, outcome_record = '' WHERE seq = 3",
        "record 3",
    ),
    "a place": ("UPDATE audit_requestrecord SET seq = 60 WHERE seq = 6", "record 7"),
    "the writer's place": ("UPDATE audit_writer SET last_seq = 10 WHERE role = 'web'", "record 10"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_in_the_database_is_found_and_its_first_row_named(
    loaded: FileJournal, what: str
) -> None:
    assert verify(loaded.directory).breaks == ()
    statement, where = CHANGES[what]
    change(statement)
    [found] = verify(loaded.directory).breaks
    assert found.writer == loaded.writer.id
    assert found.where.endswith(where) or f"{where} (" in found.where


def test_verify_goes_on_through_what_is_not_loaded_yet(
    loaded: FileJournal, writing: ModuleType
) -> None:
    before = verify(loaded.directory)
    loaded.append(writing.outcome(6))
    after = verify(loaded.directory)
    assert (before.records, after.records) == (11, 12)
    path = chain.segment_path(loaded.directory, loaded.writer.id, 1)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"seq":12', b'"seq":13'))
    [found] = verify(loaded.directory).breaks
    assert "journal segment 1, byte" in found.where
    assert "record 13" in found.why


def test_a_registered_writer_whose_journal_vanished_is_named(
    directory: Path, journal: FileJournal, loader: Loader, writing: ModuleType
) -> None:
    register_writer(journal.writer, directory=directory)
    assert verify(directory).breaks == ()
    journal.append(writing.decision(1))
    chain.segment_path(directory, journal.writer.id, 1).unlink()
    [found] = verify(directory).breaks
    assert (found.writer, found.where) == (journal.writer.id, "its journal")


def test_an_export_suffices_to_recompute_every_hash(loaded: FileJournal) -> None:
    trees = [
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        for line in export(Selection(), format=ExportFormat.JSONL)
    ]
    links = {}
    for tree in trees:
        for prefix, record in (("", "decision"), ("outcome_", "outcome")):
            if record in tree:
                seq, prev, hash_ = (
                    msgspec.json.decode(tree[prefix + name]) for name in ("seq", "prev", "hash")
                )
                links[seq] = (prev, hash_, bytes(tree[record]))
    position = chain.Position.start(loaded.writer.id)
    for seq in range(1, 12):
        prev, hash_, raw = links[seq]
        assert position.fault_of(seq=seq, prev=prev, hash_=hash_, record=raw) == ""
        position = position.at(seq=seq, hash_=hash_)
    assert len(links) == 11
    decoded = msgspec.json.decode(trees[0]["decision"], type=DecisionRecord)
    assert decoded == RequestRecord.objects.get(seq=1).decision_record


def test_an_export_selects_by_time_and_project(loaded: FileJournal) -> None:
    def ids(selection: Selection) -> list[str]:
        lines = export(selection, format=ExportFormat.CSV)
        return [row["at"][8:10] for row in csv.DictReader(io.StringIO("".join(lines)))]

    since, until = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)
    assert ids(Selection()) == ["01", "02", "03", "04", "05", "06"]
    assert ids(Selection(since=since, until=until)) == ["02", "03", "04"]
    assert ids(Selection(since=since, project="research")) == ["03", "05"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7])
def test_pages_hold_every_row_once_in_order(loaded: FileJournal, size: int) -> None:
    rows = in_pages(
        RequestRecord.objects.all(), by="seq", key=attrgetter("seq"), rows_per_page=size
    )
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6]


def test_a_csv_cell_is_never_a_formula(loaded: FileJournal) -> None:
    rows = csv.DictReader(io.StringIO("".join(export(Selection(), format=ExportFormat.CSV))))
    row = list(rows)[1]
    assert row["project"] == "'=finance"
    assert row["categories"] == '["personal"]'
    assert (row["status"], row["outcome_state"]) == ("200", "known")


def test_events_are_exported_too(loaded: FileJournal) -> None:
    selection = Selection(kind=ExportKind.EVENTS)
    assert list(export(selection, format=ExportFormat.JSONL)) == []
    assert len(list(export(selection, format=ExportFormat.CSV))) == 1


def test_the_command_names_the_bad_row_and_exits_with_1(
    loaded: FileJournal, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.JOURNAL_DIR = loaded.directory
    call_command("audit", "verify")
    assert "11 records of 1 chains verified" in capsys.readouterr().out
    change("DELETE FROM audit_requestrecord WHERE seq = 4")
    with pytest.raises(CommandError, match="1 of 1 chains broken") as caught:
        call_command("audit", "verify")
    assert caught.value.returncode == 1
    shown = capsys.readouterr().err
    assert f"writer {loaded.writer.id}: request record 5 (decision " in shown
    assert "4 missing" in shown
    assert "research" not in shown


def test_the_command_exports_and_records_that_it_did(
    loaded: FileJournal, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.JOURNAL_DIR = loaded.directory
    call_command("audit", "export", "--project", "research", "--since", "2026-01-02")
    assert capsys.readouterr().out.count("\n") == 2
    call_command("audit", "export", "--kind", "events", "--format", "csv")
    assert capsys.readouterr().out.count("audit.exported") == 2
    with pytest.raises(CommandError, match="a time such as"):
        call_command("audit", "export", "--since", "yesterday")


def test_the_command_loads_once(
    directory: Path,
    journal: FileJournal,
    writing: ModuleType,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.JOURNAL_DIR = directory
    journal.append(writing.decision(1))
    call_command("audit", "load", "--once")
    assert "1 records loaded" in capsys.readouterr().out
    held = Lease(directory)
    assert held.acquire()
    call_command("audit", "load", "--once")
    held.release()
    assert "another process" in capsys.readouterr().out
