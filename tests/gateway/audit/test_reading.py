"""The quick way through a journal sees what the thorough way sees."""

from pathlib import Path
from types import ModuleType

import pytest

from gateway.audit import chain, reading
from gateway.audit.journal import FileJournal


def journal_lines(directory: Path, writing: ModuleType, *, requests: int) -> chain.Segment:
    journal = FileJournal(directory)
    for number in range(1, requests + 1):
        journal.append(writing.decision(number, project="über"))
        journal.append(writing.outcome(number))
    journal.close()
    [segment] = chain.list_segments(directory)[journal.writer.id]
    return segment


def read(segment: chain.Segment, *, offset: int = 0, after: int = 0) -> reading.Chunk:
    position = chain.Position.start(segment.writer)
    if after:
        lines = segment.path.read_bytes().splitlines()[1 : after + 1]
        entry = chain.parse(lines[-1])
        assert isinstance(entry, chain.Line)
        position = position.at(seq=after, hash_=entry.hash)
    return reading.read_chunk(segment, offset=offset, position=position)


def test_a_sound_journal_is_taken_the_quick_way_whatever_the_length_of_seq(
    directory: Path, writing: ModuleType
) -> None:
    segment = journal_lines(directory, writing, requests=51)
    lines = segment.path.read_bytes().splitlines()
    chunk = reading.Chunk(segment=segment, end=0, position=chain.Position.start(segment.writer))
    taken, length = reading._take_following(chunk, lines, 1)
    assert (taken, chunk.position.seq) == (102, 102)
    assert length == sum(len(line) + 1 for line in lines[1:103])
    assert [entry.seq for entry in chunk.entries] == list(range(1, 103))


def test_both_ways_give_the_same_entries(
    directory: Path, writing: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = journal_lines(directory, writing, requests=6)
    quick = read(segment)
    later = read(segment, offset=len(b"".join(lines_to(segment, 4))), after=3)
    monkeypatch.setattr(reading, "_take_following", lambda *_: (0, 0))
    thorough = read(segment)
    assert quick == thorough
    assert later.entries == thorough.entries[3:]
    assert later.position == thorough.position


def lines_to(segment: chain.Segment, count: int) -> list[bytes]:
    return segment.path.read_bytes().splitlines(keepends=True)[:count]


@pytest.mark.parametrize("at", range(1, 900, 37))
def test_a_changed_byte_anywhere_is_found_at_its_line(
    directory: Path, writing: ModuleType, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = journal_lines(directory, writing, requests=3)
    lines = segment.path.read_bytes().splitlines(keepends=True)
    line = bytearray(lines[3])
    line[min(at, len(line) - 2)] ^= 0x01
    lines[3] = bytes(line)
    segment.path.write_bytes(b"".join(lines))
    quick = read(segment)
    assert quick.faults[0].offset == len(b"".join(lines[:3]))
    monkeypatch.setattr(reading, "_take_following", lambda *_: (0, 0))
    assert quick == read(segment)


def test_a_position_that_is_no_hash_is_a_fault_and_no_crash(
    directory: Path, writing: ModuleType
) -> None:
    segment = journal_lines(directory, writing, requests=1)
    position = chain.Position(writer=segment.writer, seq=0, hash="not a hash")
    chunk = reading.read_chunk(segment, offset=0, position=position)
    assert "does not follow" in chunk.faults[0].text
