"""What the journals hold that is not loaded yet. Reads files; knows no database.

Walks a writer's segments from where the loader stopped, checks the chain as it goes and says
what does not hold together. Nothing is skipped silently: a fault is a value, and what can still
be read after it is read.
"""

from binascii import hexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from gateway.audit.chain import (
    LINE_FORM,
    Closed,
    Header,
    Line,
    Position,
    Segment,
    UnreadableLine,
    complete_lines,
    is_locked,
    list_segments,
    parse,
)
from gateway.audit.records import Record

CHUNK_BYTES: Final = 2 * 1024 * 1024
MAX_FAULTS: Final = 20  # named one by one in a chunk; the others are counted
# Where a record begins in a line whose seq has no digits.
_RECORD_AT: Final = len(LINE_FORM % (0, b"0" * 64, b"0" * 64, b"")) - len(b"0}")
_decode_record = msgspec.json.Decoder(Record).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that breaks a chain, without content. `seq` is the record's, where known."""

    segment: int
    offset: int  # of the line, in bytes
    seq: int | None
    text: str


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record with its place in the chain. `raw` is the text that was hashed.

    A msgspec struct because one is made per record: 0.1 µs, a frozen dataclass 1.0.
    """

    seq: int
    prev: str
    hash: str
    raw: str
    record: Record


@dataclass(slots=True, kw_only=True)
class Chunk:
    """What one read of a segment gave. `end` is the offset up to which it was read."""

    segment: Segment
    end: int
    position: Position
    entries: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    header: Header | None = None
    closed: bool = False
    exhausted: bool = False  # the file's end was reached; a torn line may be left behind `end`


def living(
    directory: Path, writer: str, *, locked: Callable[[Path], bool] = is_locked
) -> tuple[bool, list[Segment]]:
    """Whether the writer's process lives, and its segments as they are after finding out.

    A writer locks a new segment before it lets go of the one before, so when no segment is locked
    and the list has not changed meanwhile, the process is gone and its files are final.
    """
    segments = list_segments(directory).get(writer, [])
    while segments:
        if any(locked(segment.path) for segment in reversed(segments)):
            return True, segments
        again = list_segments(directory).get(writer, [])
        if again == segments:
            break
        segments = again
    return False, segments


def read_chunk(segment: Segment, *, offset: int, position: Position) -> Chunk:
    """The records of a segment from `offset` on, as far as one read of CHUNK_BYTES goes.

    Raises FileNotFoundError when the segment is gone, other OSErrors when it cannot be read.
    """
    with segment.path.open("rb") as file:
        size = file.seek(0, 2)
        if size < offset:
            chunk = Chunk(segment=segment, end=size, position=position, exhausted=True)
            text = f"the file was cut: {size} bytes of at least {offset}"
            chunk.faults.append(Fault(segment=segment.number, offset=size, seq=None, text=text))
            return chunk
        file.seek(offset)
        data = file.read(CHUNK_BYTES)
        lines, used = complete_lines(data)
        if not lines and len(data) == CHUNK_BYTES:  # one record longer than a chunk
            data += file.read()
            lines, used = complete_lines(data)
    chunk = Chunk(segment=segment, end=offset + used, position=position)
    chunk.exhausted = offset + len(data) >= size
    number, at = 0, offset
    while number < len(lines):
        if at:  # what stands first in a file must be a header
            taken, length = _take_following(chunk, lines, number)
            number, at = number + taken, at + length
        if number < len(lines):
            _take(chunk, lines[number], at)
            at += len(lines[number]) + 1
            number += 1
    return chunk


def _take_following(chunk: Chunk, lines: list[bytes], start: int) -> tuple[int, int]:
    """Add the records from lines[start] on that continue the chain just as a journal writes it.

    Returns how many lines, and how many bytes, that was. Each line is compared to the byte with
    the one a journal standing here would have written for that record: if they are equal, seq,
    prev and hash hold, and nothing but the record is left to be parsed. The first line that
    differs in any way is left to `_take`, which finds out why (and costs four times as much).
    """
    position = chunk.position
    try:
        digest = bytes.fromhex(position.hash)
    except ValueError:  # the writer's row was altered
        return 0, 0
    seq, prev, length = position.seq, position.hash.encode(), 0
    entries, hex_ = chunk.entries, position.hash
    count = len(entries)
    for line in islice(lines, start, None):
        following = seq + 1
        raw = line[_RECORD_AT + len(str(following)) : -1]
        hashed = sha256(digest + following.to_bytes(8, "big") + raw).digest()
        hash_ = hexlify(hashed)
        if line != LINE_FORM % (following, prev, hash_, raw):
            break
        try:
            record = _decode_record(raw)
            text = raw.decode()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            break
        if "\0" in text:
            break
        found = hash_.decode()
        entries.append(Entry(following, hex_, found, text, record))
        seq, hex_, prev, digest = following, found, hash_, hashed
        length += len(line) + 1
    chunk.position = position.at(seq=seq, hash_=hex_)
    return len(entries) - count, length


def _take(chunk: Chunk, line: bytes, at: int) -> None:
    """Add one line to the chunk."""
    seq: int | None = None
    try:
        entry = parse(line)
    except UnreadableLine:
        fault = "a line cannot be read"
    else:
        if isinstance(entry, Line):
            seq = entry.seq
            fault = _take_record(chunk, entry)
        elif isinstance(entry, Header):
            fault = chunk.position.fault_of_header(entry)
            chunk.header = entry
        elif isinstance(entry, Closed):
            fault = chunk.position.fault_of_closing(entry)
            chunk.closed = not fault
    if chunk.header is None and at == 0 and not fault:
        fault = "the segment has no header"
    if fault:
        chunk.faults.append(Fault(segment=chunk.segment.number, offset=at, seq=seq, text=fault))


def _take_record(chunk: Chunk, line: Line) -> str:
    """Add a record; returns what is wrong with it, or an empty string."""
    raw = bytes(line.r)
    fault = chunk.position.fault_of(seq=line.seq, prev=line.prev, hash_=line.hash, record=raw)
    if fault and line.seq <= chunk.position.seq:
        # Repeated or out of order: its place is taken, so it cannot become a row.
        return fault
    chunk.position = chunk.position.at(seq=line.seq, hash_=line.hash)
    try:
        record = _decode_record(raw)
        text = raw.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return fault or f"record {line.seq} is of no known kind"
    if "\0" in text:  # no JSON; a database would refuse it
        return fault or f"record {line.seq} is not text"
    chunk.entries.append(Entry(line.seq, line.prev, line.hash, text, record))
    return fault


def limited(faults: list[Fault]) -> Iterator[Fault]:
    """At most MAX_FAULTS of them, the last one saying how many more there are."""
    yield from faults[:MAX_FAULTS]
    if len(faults) > MAX_FAULTS:
        last = faults[-1]
        text = f"and {len(faults) - MAX_FAULTS} more up to here"
        yield Fault(segment=last.segment, offset=last.offset, seq=last.seq, text=text)
