"""The journal's format and its hash chain. Pure: no Django, no clock; reads what it is given.

A journal is the segments `<writer>.<number>.jsonl` of one process incarnation, numbered from 1.
Every line is one JSON object that ends with a newline, of one of three kinds, told apart by the
first key:

    {"journal":1,"writer":W,"segment":K,...,"after":N,"prev":H}   first line of every segment
    {"seq":N,"prev":H,"hash":H,"r":{...}}                         one record
    {"closed":{"seq":N,"hash":H}}                                 last line after a clean end

    hash(N) = SHA-256( hash(N-1) || N || R )

with hash(N-1) as its 32 raw bytes, N as 8 bytes big-endian and R the bytes of the value of "r"
exactly as they stand in the line. `prev` is hash(N-1) in hex. Before the first record stands
hash(0) = SHA-256("sluice journal " || W), so that no chain passes for another writer's.

INVARIANT: a line without its newline was never acknowledged. It may stand only at the end of a
segment (the process died or the disk was full within that write) and is not part of the chain.
"""

import fcntl
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

CONTROL_WRITER = "control"
_SEGMENT_NAME = re.compile(r"^([0-9a-z-]{8,64})\.(\d{6})\.jsonl$")
# One record as a journal writes it, to the byte; the reader compares with the same form.
LINE_FORM = b'{"seq":%d,"prev":"%b","hash":"%b","r":%b}'
_HEADER_START = b'{"journal":'
_LINE_START = b'{"seq":'
_CLOSED_START = b'{"closed":'


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """First line of a segment: whose it is and where the chain stands before it."""

    journal: int  # version of the format: 1
    writer: str
    segment: int
    role: str
    host: str
    pid: int
    started_at: float  # Unix seconds
    after: int  # seq of the last record in the segments before; 0: none
    prev: str


class Line(msgspec.Struct, frozen=True):
    """One record with its place in the chain; `r` keeps the record's exact bytes."""

    seq: int
    prev: str
    hash: str
    r: msgspec.Raw


class _ClosedAt(msgspec.Struct, frozen=True):
    seq: int
    hash: str


class Closed(msgspec.Struct, frozen=True):
    """The writer ended cleanly; nothing follows."""

    closed: _ClosedAt


_decode_header = msgspec.json.Decoder(Header).decode
_decode_line = msgspec.json.Decoder(Line).decode
_decode_closed = msgspec.json.Decoder(Closed).decode


class UnreadableLine(Exception):
    """A complete line that is none of the three kinds."""


def genesis(writer: str) -> str:
    """hash(0) of a writer, in hex."""
    return sha256(b"sluice journal " + writer.encode()).hexdigest()


def link(prev: str, seq: int, record: bytes) -> str:
    """The hash of a record after `prev` (hex), in hex. Raises ValueError unless prev is hex."""
    return sha256(bytes.fromhex(prev) + seq.to_bytes(8, "big") + record).hexdigest()


def parse(line: bytes) -> Header | Line | Closed:
    """One line without its newline. Raises UnreadableLine, whose text never quotes the line."""
    try:
        if line.startswith(_LINE_START):
            return _decode_line(line)
        if line.startswith(_HEADER_START):
            return _decode_header(line)
        if line.startswith(_CLOSED_START):
            return _decode_closed(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    raise UnreadableLine("not a journal line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a chain stands: the last record's seq and hash (hex)."""

    writer: str
    seq: int
    hash: str

    @classmethod
    def start(cls, writer: str) -> "Position":
        """Before the first record."""
        return cls(writer=writer, seq=0, hash=genesis(writer))

    def fault_of(self, *, seq: int, prev: str, hash_: str, record: bytes) -> str:
        """Why the record cannot stand here, in words without content; empty when it does."""
        try:
            expected = link(prev, seq, record)
        except (ValueError, OverflowError):
            return f"record {seq}: its chain fields are not a hash and a number"
        if expected != hash_:
            return f"record {seq} was altered: its content does not give its hash"
        if seq > self.seq + 1:
            missing = f"{self.seq + 1}" if seq == self.seq + 2 else f"{self.seq + 1} to {seq - 1}"
            return f"record {seq} follows record {self.seq}: {missing} missing"
        if seq <= self.seq:
            return f"record {seq} stands after record {self.seq}: repeated or out of order"
        if prev != self.hash:
            return f"record {seq} does not follow record {self.seq}: one of them was replaced"
        return ""

    def fault_of_header(self, header: Header) -> str:
        """Why a segment cannot begin here; empty when it does."""
        if header.writer != self.writer:
            return "the segment names another writer than its file"
        if header.after != self.seq:
            return f"the segment begins after record {header.after}, the chain ends at {self.seq}"
        if header.prev != self.hash:
            return f"the segment does not follow record {self.seq}"
        return ""

    def fault_of_closing(self, closed: Closed) -> str:
        """Why the writer cannot have ended here; empty when it did."""
        if (closed.closed.seq, closed.closed.hash) != (self.seq, self.hash):
            return f"the writer ended at record {closed.closed.seq}, the chain at {self.seq}"
        return ""

    def at(self, *, seq: int, hash_: str) -> "Position":
        """The position after a record."""
        return Position(writer=self.writer, seq=seq, hash=hash_)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Segment:
    """One journal file. Orders by writer, then number."""

    writer: str
    number: int
    path: Path


def segment_path(directory: Path, writer: str, number: int) -> Path:
    """The file of a writer's segment."""
    return directory / f"{writer}.{number:06d}.jsonl"


def list_segments(directory: Path) -> dict[str, list[Segment]]:
    """All segments by writer, in order. A directory that does not exist has none. Reads the
    directory; other OSErrors pass through."""
    by_writer: dict[str, list[Segment]] = {}
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - names only, ten times cheaper
    except FileNotFoundError:
        return by_writer
    for name in names:
        match = _SEGMENT_NAME.match(name)
        if match:
            writer, number = match[1], int(match[2])
            by_writer.setdefault(writer, []).append(
                Segment(writer=writer, number=number, path=directory / name)
            )
    return by_writer


def is_locked(path: Path) -> bool:
    """Whether a living process holds the segment. A file that is gone is not locked."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def complete_lines(data: bytes) -> tuple[list[bytes], int]:
    """The lines of `data` that have their newline, and how many bytes they take."""
    end = data.rfind(b"\n") + 1
    return data[:end].split(b"\n")[:-1], end
