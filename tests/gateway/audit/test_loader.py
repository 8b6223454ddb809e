"""The loader: each record exactly once, orphans adopted, breaks told."""

import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.audit import chain
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.models import AuditEvent, JournalFile, RequestRecord, Writer
from gateway.audit.services import register_writer
from gateway.audit.verify import verify

pytestmark = pytest.mark.django_db


def fill(directory: Path, writing: ModuleType, *, requests: int, segment_bytes: int = 10**7) -> str:
    """A writer that lived, wrote and ended cleanly; returns its id."""
    journal = FileJournal(directory, segment_bytes=segment_bytes)
    for number in range(1, requests + 1):
        journal.append(writing.decision(number))
        journal.append(writing.outcome(number))
    journal.close()
    return journal.writer.id


def lines_of(directory: Path, writer: str) -> tuple[Path, list[bytes]]:
    path = chain.segment_path(directory, writer, 1)
    return path, path.read_bytes().splitlines(keepends=True)


def broken(directory: Path) -> list[str]:
    return [
        str(event.details["fault"]) for event in AuditEvent.objects.filter(type="journal.broken")
    ]


def test_decision_and_outcome_become_one_row_with_every_field(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    decision, outcome = writing.decision(1), writing.outcome(1)
    journal.append(decision)
    journal.append(outcome)
    assert loader.load() == 2
    row = RequestRecord.objects.get()
    assert row.decision_record == decision
    assert row.outcome == outcome
    for name in set(type(decision).__struct_fields__) - {"id", "at"}:
        assert getattr(row, name) == getattr(decision, name), name
    for name in set(type(outcome).__struct_fields__) - {"id", "at"}:
        assert getattr(row, name) == getattr(outcome, name), name
    assert (row.at.timestamp(), row.outcome_state) == (decision.at, "known")
    assert row.at.tzinfo is not None
    assert row.outcome_at is not None
    assert row.outcome_at.timestamp() == outcome.at
    assert (row.writer_id, row.seq, row.outcome_seq) == (journal.writer.id, 1, 2)
    assert row.outcome_prev_hash == row.hash


def test_an_outcome_that_comes_later_joins_its_decision(
    loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    loader.load()
    assert RequestRecord.objects.get().outcome_state == "pending"
    journal.append(writing.decision(2))
    journal.append(writing.outcome(1))
    loader.load()
    one, two = RequestRecord.objects.order_by("seq")
    assert (one.status, one.outcome_state, one.outcome_seq) == (200, "known", 3)
    assert (two.status, two.outcome_state) == (None, "pending")
    assert verify(journal.directory).breaks == ()


def test_a_batch_costs_a_handful_of_queries(
    loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    for number in range(1, 201):
        journal.append(writing.decision(number))
        journal.append(writing.outcome(number))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        loader.load()
    assert RequestRecord.objects.count() == 200
    assert len(queries) < 30


def test_an_idle_pass_asks_the_database_nothing(
    loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    loader.load()
    with CaptureQueriesContext(connection) as queries:
        assert not loader.step()
    assert len(queries) == 0


def test_a_pass_with_room_for_less_than_there_is_says_that_it_is_behind(
    loader: Loader, journal: FileJournal, writing: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(writing.decision(1))
    journal.append(writing.decision(2))
    seen: list[bool] = []
    for room in (2, 5000):
        monkeypatch.setattr("gateway.audit.loader.PASS_ENTRIES", room)
        journal.append(writing.decision(3 + len(seen)))
        assert loader.step()
        seen.append(loader.behind)
    assert seen == [True, False]
    assert RequestRecord.objects.count() == 4


def test_rotated_segments_go_when_loaded_and_the_live_one_stays(
    directory: Path, loader: Loader, writing: ModuleType
) -> None:
    journal = FileJournal(directory, segment_bytes=3000)
    for number in range(1, 21):
        journal.append(writing.decision(number))
    assert len(chain.list_segments(directory)[journal.writer.id]) > 3
    loader.load()
    [live] = chain.list_segments(directory)[journal.writer.id]
    assert chain.is_locked(live.path)
    journal.append(writing.decision(21))
    loader.load()
    assert RequestRecord.objects.count() == 21
    journal.close()


def test_a_writer_that_closed_is_loaded_and_its_files_removed(
    directory: Path, loader: Loader, writing: ModuleType
) -> None:
    writer = fill(directory, writing, requests=5)
    loader.load()
    row = Writer.objects.get(pk=writer)
    assert (row.ending, row.last_seq, row.role) == ("closed", 10, "web")
    assert chain.list_segments(directory) == {}
    assert not AuditEvent.objects.exists()


def test_a_registered_writer_keeps_what_was_said_at_its_start(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    register_writer(journal.writer, directory=directory)
    register_writer(journal.writer, directory=directory)
    before = Writer.objects.get()
    journal.append(writing.decision(1))
    loader.load()
    after = Writer.objects.get(pk=before.pk)
    assert (after.host, after.pid, after.started_at) == (before.host, before.pid, before.started_at)
    assert (before.last_seq, after.last_seq) == (0, 1)


def start_writing(directory: Path, *, segment_bytes: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(Path(__file__).with_name("writing.py"))]
    return subprocess.Popen(
        [*command, str(directory), str(segment_bytes), "0"], stdout=subprocess.PIPE
    )


@pytest.mark.parametrize(("after", "segment_bytes"), [(3, 10**7), (250, 20_000), (901, 50_000)])
def test_every_record_acknowledged_before_kill_9_is_in_the_database(
    directory: Path, loader: Loader, after: int, segment_bytes: int
) -> None:
    child = start_writing(directory, segment_bytes=segment_bytes)
    assert child.stdout is not None
    with child, child.stdout as reported:
        writer = reported.readline().decode().strip()
        seen = 0
        while seen < after:
            seen = int(reported.readline())
            if seen % 100 == 0:
                loader.step()  # while it writes
        child.send_signal(signal.SIGKILL)
        rest = [line for line in reported.read().splitlines(keepends=True) if line.endswith(b"\n")]
    acknowledged = int(rest[-1]) if rest else seen
    loader.load()
    assert broken(directory) == []
    rows = RequestRecord.objects.filter(writer_id=writer)
    decisions = set(rows.values_list("seq", flat=True))
    outcomes = set(rows.exclude(outcome_seq=None).values_list("outcome_seq", flat=True))
    last = Writer.objects.get(pk=writer).last_seq
    assert decisions | outcomes == set(range(1, last + 1))
    assert last >= acknowledged
    unknown = rows.filter(outcome_seq=None)
    assert {row.outcome_state for row in unknown} <= {"writer_died"}
    assert unknown.count() == last % 2
    [event] = AuditEvent.objects.filter(type="writer.died", object_id=writer)
    assert event.details["unknown_outcomes"] == last % 2
    assert chain.list_segments(directory) == {}
    assert verify(directory).breaks == ()


def test_a_torn_last_line_is_no_record_and_no_break(
    directory: Path, loader: Loader, writing: ModuleType
) -> None:
    writer = fill(directory, writing, requests=2)
    path, lines = lines_of(directory, writer)
    path.write_bytes(b"".join(lines[:-2]) + lines[-2][:40])  # died within the last outcome
    loader.load()
    assert broken(directory) == []
    row = Writer.objects.get(pk=writer)
    assert (row.last_seq, row.ending) == (3, "died")
    assert RequestRecord.objects.get(outcome_state="writer_died").seq == 3
    assert verify(directory).breaks == ()


def tamper(how: str, lines: list[bytes]) -> list[bytes]:
    lines = list(lines)
    match how:
        case "altered":
            lines[3] = lines[3].replace(b'"research"', b'"Research"')
        case "dropped":
            del lines[3]
        case "reordered":
            lines[3], lines[4] = lines[4], lines[3]
        case "repeated":
            lines.insert(4, lines[3])
        case "garbled":
            lines[3] = b"\x00\xff" * 50 + b"\n"
        case "relinked":
            record = lines[3].split(b'"r":', 1)[1].rstrip()[:-1].replace(b"auto", b"else")
            prev = msgspec.json.decode(lines[2])["hash"]
            hash_ = chain.link(prev, 3, record)
            lines[3] = b'{"seq":3,"prev":"%b","hash":"%b","r":%b}\n' % (
                prev.encode(),
                hash_.encode(),
                record,
            )
        case "headless":
            del lines[0]
    return lines


TAMPERED = {
    "altered": "record 3 was altered",
    "dropped": "3 missing",
    "reordered": "record 4 follows record 2: 3 missing",
    "repeated": "repeated or out of order",
    "garbled": "a line cannot be read",
    "relinked": "record 4 does not follow record 3",
    "headless": "no header",
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_break_is_an_event_a_kept_file_and_a_finding_of_verify(
    directory: Path, loader: Loader, writing: ModuleType, how: str
) -> None:
    writer = fill(directory, writing, requests=4)
    path, lines = lines_of(directory, writer)
    path.write_bytes(b"".join(tamper(how, lines)))
    before = verify(directory)
    assert [TAMPERED[how] in each.why for each in before.breaks] == [True]
    assert before.breaks[0].writer == writer
    loader.load()
    assert TAMPERED[how] in broken(directory)[0]
    assert [each.name for each in directory.glob("*.broken")] == [f"{writer}.000001.broken"]
    assert RequestRecord.objects.count() >= 3  # what can be read is evidence still
    assert not loader.step()  # told once
    if how not in {"repeated", "headless"}:  # all records are there, each once
        assert verify(directory).breaks[0].writer == writer


def test_a_segment_that_vanished_shows_as_a_gap(
    directory: Path, loader: Loader, writing: ModuleType
) -> None:
    writer = fill(directory, writing, requests=10, segment_bytes=3000)
    chain.segment_path(directory, writer, 2).unlink()
    loader.load()
    assert "the segment begins after record" in broken(directory)[0]
    [found] = verify(directory).breaks
    assert "missing" in found.why


def test_a_journal_cut_below_what_was_loaded_is_told(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    loader.load()
    path = chain.segment_path(directory, journal.writer.id, 1)
    with path.open("r+b") as file:
        file.truncate(100)
    assert "cut" in verify(directory).breaks[0].why
    loader.load()
    assert "the file was cut" in broken(directory)[0]


def test_a_segment_that_appears_after_its_writer_ended_is_no_evidence(
    directory: Path, loader: Loader, writing: ModuleType
) -> None:
    writer = fill(directory, writing, requests=2)
    lines = lines_of(directory, writer)[1]
    loader.load()
    chain.segment_path(directory, writer, 2).write_bytes(b"".join(lines))
    loader.load()
    assert RequestRecord.objects.count() == 2
    assert "after its writer had ended" in broken(directory)[0]


def test_a_file_whose_removal_did_not_happen_is_removed_and_not_loaded_again(
    directory: Path, loader: Loader, writing: ModuleType
) -> None:
    writer = fill(directory, writing, requests=2)
    path, lines = lines_of(directory, writer)
    loader.load()
    path.write_bytes(b"".join(lines))
    loader.load()
    assert not path.exists()
    assert RequestRecord.objects.count() == 2
    assert broken(directory) == []


def test_a_fresh_loader_goes_on_where_the_database_says(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    loader.load()
    journal.append(writing.outcome(1))
    loader.lease.release()
    second = Loader(directory)
    assert second.lease.acquire()
    assert second.load() == 1
    assert RequestRecord.objects.get().outcome_state == "known"
    assert JournalFile.objects.count() == 1
    second.lease.release()


def test_hostile_values_do_not_stop_the_loader(
    loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(
        msgspec.structs.replace(
            writing.decision(1), alias="a\0b", at=1e300, size_bytes=2**64 - 1, rules=["\0"]
        )
    )
    journal.append(msgspec.structs.replace(writing.outcome(1), model="\0", prompt_tokens=2**63))
    loader.load()
    row = RequestRecord.objects.get()
    assert (row.alias, row.model) == ("a\ufffdb", "\ufffd")
    assert row.decision_record is not None
    assert row.decision_record.alias == "a\0b"
    assert verify(journal.directory).breaks == ()


def test_an_id_used_twice_is_told_and_the_others_are_stored(
    loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    loader.load()
    journal.append(writing.decision(1))
    journal.append(writing.decision(2))
    journal.append(writing.decision(2))
    journal.append(writing.outcome(2))
    journal.append(writing.outcome(3))
    loader.load()
    assert sorted(RequestRecord.objects.values_list("seq", flat=True)) == [1, 3, 6]
    faults = " ".join(broken(journal.directory))
    assert faults.count("the decision has the id of another one") == 2
    assert faults.count("the outcome has no decision") == 1
    assert verify(journal.directory).breaks != ()
