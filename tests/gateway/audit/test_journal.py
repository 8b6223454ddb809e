"""The write-ahead journal: what it acknowledges is on file, what it cannot write it denies."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from gateway.audit import chain
from gateway.audit.journal import FileJournal
from gateway.audit.reading import living
from gateway.audit.records import DecisionRecord, JournalUnavailable, Record


def read(directory: Path, writer: str) -> tuple[chain.Position, list[chain.Line], bool]:
    """Walk a writer's segments as the format says; torn last lines are tolerated."""
    position, lines, closed = chain.Position.start(writer), [], False
    for segment in chain.list_segments(directory)[writer]:
        for raw in chain.complete_lines(segment.path.read_bytes())[0]:
            entry = chain.parse(raw)
            if isinstance(entry, chain.Header):
                assert position.fault_of_header(entry) == ""
            elif isinstance(entry, chain.Closed):
                assert position.fault_of_closing(entry) == ""
                closed = True
            else:
                fault = position.fault_of(
                    seq=entry.seq, prev=entry.prev, hash_=entry.hash, record=bytes(entry.r)
                )
                assert fault == ""
                position = position.at(seq=entry.seq, hash_=entry.hash)
                lines.append(entry)
    return position, lines, closed


def test_a_line_carries_the_record_and_the_documented_hash(
    journal: FileJournal, writing: ModuleType
) -> None:
    record = writing.decision(1)
    journal.append(record)
    [segment] = chain.list_segments(journal.directory)[journal.writer.id]
    tree = msgspec.json.decode(segment.path.read_bytes().splitlines()[1])
    assert list(tree) == ["seq", "prev", "hash", "r"]
    assert msgspec.convert(tree["r"], Record) == record
    start = sha256(b"sluice journal " + journal.writer.id.encode()).digest()
    body = msgspec.json.encode(record)
    assert tree["prev"] == start.hex()
    assert tree["hash"] == sha256(start + (1).to_bytes(8, "big") + body).hexdigest()


def test_the_chain_goes_on_over_segments_and_ends_cleanly(
    directory: Path, writing: ModuleType
) -> None:
    journal = FileJournal(directory, segment_bytes=3000)
    for number in range(1, 21):
        journal.append(writing.decision(number))
    journal.close()
    assert len(chain.list_segments(directory)[journal.writer.id]) > 3
    position, lines, closed = read(directory, journal.writer.id)
    assert (position.seq, len(lines), closed) == (20, 20, True)


def test_a_living_writer_holds_a_lock_and_a_closed_one_none(
    directory: Path, writing: ModuleType
) -> None:
    journal = FileJournal(directory, segment_bytes=3000)
    for number in range(1, 11):
        journal.append(writing.decision(number))
    last = chain.list_segments(directory)[journal.writer.id][-1]
    assert chain.is_locked(last.path)
    journal.close()
    assert not chain.is_locked(last.path)


def test_a_writer_that_rotates_while_one_looks_is_not_taken_for_dead(
    directory: Path, writing: ModuleType
) -> None:
    journal = FileJournal(directory, segment_bytes=500, sync_interval_s=0)
    journal.append(writing.decision(1))
    pause = threading.Event()

    def look(path: Path) -> bool:
        """Between the listing and the look, the segment is left and its lock let go."""
        if journal.last_seq == 1:
            journal.append(writing.decision(2))
            while chain.is_locked(path):
                pause.wait(0.001)
        return chain.is_locked(path)

    alive, segments = living(directory, journal.writer.id, locked=look)
    assert (alive, len(segments)) == (True, 2)
    journal.close()
    assert not living(directory, journal.writer.id)[0]


def test_two_writers_share_a_directory_without_sharing_a_chain(
    directory: Path, writing: ModuleType
) -> None:
    one, two = FileJournal(directory), FileJournal(directory)
    one.append(writing.decision(1))
    two.append(writing.decision(1))
    first, second = (read(directory, each.writer.id)[1][0] for each in (one, two))
    assert bytes(first.r) == bytes(second.r)
    assert first.hash != second.hash
    one.close()
    two.close()


def test_a_closed_journal_denies(journal: FileJournal, writing: ModuleType) -> None:
    journal.close()
    journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        journal.append(writing.decision(1))


def test_a_removed_directory_denies_until_it_is_there_again(
    journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    shutil.rmtree(journal.directory)
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            journal.append(writing.decision(2))
    faults = [journal.fault]
    journal.directory.mkdir()
    journal.append(writing.decision(2))
    faults.append(journal.fault)
    assert faults[0]
    assert faults[1] is None
    [segment] = chain.list_segments(journal.directory)[journal.writer.id]
    header = chain.parse(segment.path.read_bytes().splitlines()[0])
    assert isinstance(header, chain.Header)
    assert header.after == 1  # the loss of record 1 shows


def test_a_removed_segment_denies_that_record_and_the_chain_shows_the_gap(
    journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    chain.list_segments(journal.directory)[journal.writer.id][0].path.unlink()
    with pytest.raises(JournalUnavailable, match="removed"):
        journal.append(writing.decision(2))
    journal.append(writing.decision(2))
    [segment] = chain.list_segments(journal.directory)[journal.writer.id]
    assert segment.number == 2


def test_a_directory_that_cannot_be_made_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnavailable, match="cannot begin"):
        FileJournal(tmp_path / "file" / "journal")


def test_a_full_journal_denies_until_the_loader_has_made_room(
    directory: Path, writing: ModuleType
) -> None:
    journal = FileJournal(directory, max_bytes=20_000, segment_bytes=5_000, reopen_after_s=0)
    with pytest.raises(JournalUnavailable, match="wait to be loaded"):
        for number in range(1, 100):
            journal.append(writing.decision(number))
    acknowledged = journal.last_seq
    assert acknowledged > 5
    for segment in chain.list_segments(directory)[journal.writer.id][:-1]:
        segment.path.unlink()
    journal.append(writing.decision(100))
    assert journal.last_seq == acknowledged + 1
    journal.close()


def test_what_other_writers_left_counts_towards_the_limit(
    directory: Path, writing: ModuleType
) -> None:
    directory.mkdir()
    chain.segment_path(directory, "0" * 32, 1).write_bytes(b"x" * 20_000)
    journal = FileJournal(directory, max_bytes=20_000)
    with pytest.raises(JournalUnavailable, match="wait to be loaded"):
        journal.append(writing.decision(1))
    journal.close()


def test_a_record_that_has_no_encoding_is_refused_without_being_quoted(
    journal: FileJournal, writing: ModuleType
) -> None:
    bad = msgspec.structs.replace(writing.decision(1), alias="secret\ud800")
    with pytest.raises(JournalUnavailable) as caught:
        journal.append(bad)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    journal.append(writing.decision(2))
    assert journal.last_seq == 1


LIMITED = """
import resource, signal, sys
sys.path[:0] = sys.argv[2:4]
from pathlib import Path
from gateway.audit.journal import FileJournal
from gateway.audit.reading import living
from gateway.audit.records import JournalUnavailable
import writing
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = FileJournal(Path(sys.argv[1]), reopen_after_s=0, max_bytes=10**9)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
number = failures = 0
while failures < 2:
    number += 1
    try:
        journal.append(writing.decision(number))
    except JournalUnavailable as error:
        failures += 1
        print("denied", journal.last_seq, error, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
for _ in range(2):
    try:
        journal.append(writing.decision(number))
    except JournalUnavailable as error:
        print("denied", journal.last_seq, error, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
journal.append(writing.decision(number + 1))
print("last", journal.last_seq, journal.writer.id, flush=True)
journal.close()
"""


def test_a_short_write_denies_and_the_chain_goes_on_in_a_new_segment(directory: Path) -> None:
    root, here = Path(__file__).resolve().parents[3], Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(directory), str(root), str(here)],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["denied"] * 4 + ["last"]
    assert any("short write" in line for line in lines)
    _, last, writer = lines[-1].split()
    position, _, closed = read(directory, writer)
    assert position.seq == int(last)
    assert closed
    segments = chain.list_segments(directory)[writer]
    assert len(segments) == 3
    assert not segments[0].path.read_bytes().endswith(b"\n")  # the torn line is still there


@pytest.mark.parametrize("after", [1, 40, 333])
def test_what_was_acknowledged_before_kill_9_is_on_file(directory: Path, after: int) -> None:
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("writing.py")), str(directory), "20000", "0"],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    with child, child.stdout as reported:
        writer = reported.readline().decode().strip()
        for _ in range(after):
            reported.readline()
        child.send_signal(signal.SIGKILL)
        rest = [line for line in reported.read().splitlines(keepends=True) if line.endswith(b"\n")]
    acknowledged = int(rest[-1]) if rest else after
    position, lines, closed = read(directory, writer)
    assert position.seq >= acknowledged >= after
    assert [line.seq for line in lines] == list(range(1, position.seq + 1))
    assert not closed
    assert not chain.is_locked(chain.list_segments(directory)[writer][-1].path)


def test_a_fork_cannot_write_into_the_journal_of_its_parent(
    journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        try:
            journal.append(writing.decision(2))
        except JournalUnavailable:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert read(journal.directory, journal.writer.id)[0].seq == 1


def test_the_shape_of_a_record_holds_no_place_for_content() -> None:
    assert not {"prompt", "messages", "text", "body", "answer"} & set(
        DecisionRecord.__struct_fields__
    )
