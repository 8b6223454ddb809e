"""Verifies an exported audit log without the system that wrote it.

    python -m gateway.audit.offline EXPORT --key PUBLIC.pem [--anchor FILE] [--as-of TIME]

This module, `gateway.audit.heads` and `gateway.audit.continuity` need Python's standard library
and the package `cryptography`: no Django, no settings, no database, so that a third party can read
them and run them elsewhere. EXPORT is what `manage.py audit export --kind evidence` wrote,
PUBLIC.pem what `manage.py audit key` printed, FILE the heads as they arrived at an anchor: JSON
lines, or a syslog file that holds them.

Of an export as it was written nothing is missing when: every record's hash follows from its text
and the hash before it; every head is signed, follows the head before it and its Merkle root is
that of the chains it lists; every chain passes through what the heads say of it. Against somebody
who could sign heads anew stands the anchor: its heads must be the export's.

The format is described in docs/audit.md. Breaks are named without content.
"""

import argparse
import heapq
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.continuity import Cut, Dating, cut_fault, note_cut
from gateway.audit.heads import Head, Heads, Malformed, Sealed, load_keys, read_anchor

CONTROL: Final = "control"
_decode_at = json.JSONDecoder().raw_decode


@dataclass(slots=True, kw_only=True)
class Result:
    """What was walked, and what does not hold (`breaks`) or is odd (`notes`), named."""

    records: int = 0
    chains: int = 0
    heads: int = 0
    anchored: int = 0
    sealed_at: datetime | None = None
    breaks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Record(NamedTuple):
    seq: int
    prev: str
    hash: str
    text: str
    what: str
    at: float  # Unix seconds; not a number where it has none


class _Chain:
    """One chain of an export, fed row by row."""

    def __init__(self, line: dict[str, Any], sealed: Sealed) -> None:
        try:
            self.writer = str(line["writer"])
            self.first, self.base = _number(line["first"]), str(line["base"])
            self.last, self.end = _number(line["last"]), str(line["hash"])
            self.digest = bytes.fromhex(self.base)
        except (KeyError, TypeError, ValueError):
            raise Malformed("a chain's line cannot be read") from None
        self.sealed = sealed
        self.seq = self.first - 1
        self.hash = self.base
        self.why = ""
        self.notes: list[str] = []
        self.records = 0
        self.kept: list[tuple[int, str]] = []
        self.dating = Dating()
        self._waiting: list[_Record] = []
        self._row = 0
        genesis = sha256(
            b"sluice journal " + self.writer.encode(errors="surrogatepass")
        ).hexdigest()
        if self.first <= 1 and (self.first, self.base) != (1, genesis):
            self.why = "it does not begin where a chain begins"
        self.why = self.why or sealed.begin(seq=self.seq, hash_=self.base)

    def row(self, records: list[_Record]) -> None:
        """The next row, which must come in the order of its first record."""
        seq = records[0].seq
        if seq <= self._row:
            self.fail(records[0], "it is repeated or out of order")
        self._row = seq
        while self._waiting and self._waiting[0].seq < seq:
            self._step(heapq.heappop(self._waiting))
        for record in records:
            if record.seq < self.first:
                self._keep(record)
            else:
                heapq.heappush(self._waiting, record)

    def finish(self) -> None:
        """All rows were there."""
        while self._waiting:
            self._step(heapq.heappop(self._waiting))
        if not self.why and (self.seq, self.hash) != (self.last, self.end):
            self.why = f"its rows end at record {self.seq}, it says {self.last}"
        self.why = self.why or self.sealed.ended(seq=self.seq)
        if self.sealed.agreed and self.sealed.agreed.seq >= self.seq:
            return
        if self.sealed.points:
            self.notes.append(f"records after {self.sealed.points[-1].seq} are not sealed yet")
        elif self.seq:
            self.notes.append("no head sealed it yet")

    def cut_fault(self, cuts: dict[str, Cut]) -> str:
        """Why it may not begin where it does; empty when it may."""
        cut = cuts.get(self.writer)
        return cut_fault(cut, first=self.first, base=self.base, kept=self.kept, sealed=self.sealed)

    def fail(self, record: _Record, why: str) -> None:
        """Keep the first thing that is wrong."""
        self.why = self.why or f"{record.what} {record.seq}: {why}"

    def _keep(self, record: _Record) -> None:
        """One from before the cut: it stands for itself, and the prune record vouches for it."""
        if _link(record) != record.hash:
            self.fail(record, "it was altered: its content does not give its hash")
        self.kept.append((record.seq, record.hash))
        self.records += 1

    def _step(self, record: _Record) -> None:
        if self.why:
            return
        seq = self.seq + 1
        found = sha256(self.digest + seq.to_bytes(8, "big") + _bytes(record)).digest()
        if (record.seq, record.prev, record.hash) != (seq, self.hash, found.hex()):
            self.fail(record, self._fault(record))
            return
        self.seq, self.hash, self.digest = seq, record.hash, found
        self.records += 1
        if record.what != "outcome":
            self._date(record)
        if seq == self.sealed.next_seq:
            after = self.sealed.points[self.sealed.place].after
            self.why = self.sealed.passed(seq=seq, hash_=record.hash) or self.why
            late = self.dating.late(after)
            if late:
                self.notes.append(f"{late}: loaded late, or back-dated")

    def _date(self, record: _Record) -> None:
        """Hold the record's time against those before it."""
        why = self.dating.fault(record.at) if math.isfinite(record.at) else "it has no time"
        if why and self.writer == CONTROL:
            self.notes.append(f"{record.what} {record.seq}: {why}")
        elif why:
            self.fail(record, why)

    def _fault(self, record: _Record) -> str:
        if _link(record) != record.hash:
            return "it was altered: its content does not give its hash"
        if record.seq > self.seq + 1:
            return f"it follows record {self.seq}: {self.seq + 1} to {record.seq - 1} missing"
        if record.seq <= self.seq:
            return "it is repeated or out of order"
        return f"it does not follow record {self.seq}: one of them was replaced"


def _bytes(record: _Record) -> bytes:
    return record.text.encode(errors="surrogatepass")


def _link(record: _Record) -> str:
    try:
        prev = bytes.fromhex(record.prev)
        return sha256(prev + record.seq.to_bytes(8, "big") + _bytes(record)).hexdigest()
    except (ValueError, OverflowError):
        return ""


def _fields(line: str) -> dict[str, tuple[Any, str]]:
    """The keys of a JSON object, each with its value and the value's text, byte for byte."""
    found: dict[str, tuple[Any, str]] = {}
    place = 1
    try:
        if not line.startswith("{"):
            raise Malformed("a line is no object")
        while line[place] != "}":
            key, place = _decode_at(line, place)
            if line[place] != ":" or key in found:
                raise Malformed("a line is not in the form of an export")
            value, end = _decode_at(line, place + 1)
            found[key] = (value, line[place + 1 : end])
            place = end + 1 if line[end] == "," else end
    except (ValueError, IndexError, TypeError, RecursionError):
        raise Malformed("a line cannot be read") from None
    return found


def _number(value: object) -> int:
    """A record's number: whole, and no longer than the eight bytes it is hashed with."""
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError("not a record's number")
    return value


def _records(fields: dict[str, tuple[Any, str]], kind: str) -> list[_Record]:
    parts = [("", "event", "event")] if kind == "event" else []
    if kind == "request":
        parts = [("", "decision", "decision"), ("outcome_", "outcome", "outcome")]
    found: list[_Record] = []
    try:
        for prefix, name, what in parts:
            if name in fields:
                seq, prev, hash_ = (fields[prefix + each][0] for each in ("seq", "prev", "hash"))
                value, text = fields[name]
                at = float(value.get("at", math.nan))
                found.append(_Record(_number(seq), str(prev), str(hash_), text, what, at))
        known = "outcome" in fields
        if kind == "request" and (fields["outcome_state"][0] == "known") != known:
            raise Malformed("a request's outcome is missing or too many")
        if len(found) == 2 and fields["decision"][0]["id"] != fields["outcome"][0]["id"]:
            raise Malformed("a decision stands with another one's outcome")
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise Malformed("a row cannot be read") from None
    if not found:
        raise Malformed("a row holds no record")
    return found


class _Walk:
    """One pass over the lines of an export."""

    def __init__(
        self,
        keys: dict[str, Ed25519PublicKey],
        anchored: Iterable[Head] | None,
        as_of: datetime | None,
    ) -> None:
        self.keys = keys
        self.anchored = anchored
        self.as_of = as_of
        self.heads = Heads()
        self.result = Result()
        self.chain: _Chain | None = None
        self.cuts: dict[str, Cut] = {}
        self.seen: set[str] = set()
        self._bases: list[_Chain] = []
        self._begun = False
        self._ended = False

    def line(self, line: str) -> None:
        """Take one line. Raises Malformed."""
        fields = _fields(line)
        kind = fields["kind"][0] if "kind" in fields else None
        if kind == "export" and not self._begun:
            self._begun = True
            if fields.get("format", (None, ""))[0] != 1:
                raise Malformed("this is not an export of kind evidence, format 1")
        elif not self._begun or self._ended:
            raise Malformed("this is not an export of kind evidence")
        elif kind == "head" and not self.seen:
            self.heads.add(Head.read({key: value for key, (value, _) in fields.items()}, self.keys))
        elif kind == "chain":
            self._begin({key: value for key, (value, _) in fields.items()})
        elif kind in {"request", "event"} and self.chain is not None:
            self._row(fields, kind)
        elif kind == "end":
            self._ended = True
        else:
            raise Malformed("a line stands where it cannot")

    def _begin(self, line: dict[str, Any]) -> None:
        if not self.seen:
            self._compare()
        self._finish_chain()
        self.chain = _Chain(line, self.heads.of(str(line.get("writer"))))
        if self.chain.writer in self.seen:
            raise Malformed("a chain stands twice in the export")
        self.seen.add(self.chain.writer)

    def _row(self, fields: dict[str, tuple[Any, str]], kind: str) -> None:
        chain = self.chain
        if chain is None or fields.get("writer", ("", ""))[0] != chain.writer:
            raise Malformed("a row stands under another chain than its own")
        if (kind == "event") != (chain.writer == CONTROL):
            raise Malformed("a row stands in a chain of another kind")
        records = _records(fields, kind)
        chain.row(records)
        if kind == "event":
            note_cut(fields["event"][0], self.cuts)

    def _compare(self) -> None:
        if self.anchored is not None:
            self.result.anchored = self.heads.compare(self.anchored, as_of=self.as_of)
        self.result.heads = self.heads.count

    def _finish_chain(self) -> None:
        chain, self.chain = self.chain, None
        if chain is None:
            return
        chain.finish()
        result = self.result
        result.chains += 1
        result.records += chain.records
        if chain.writer == CONTROL:
            # What is cut is known from here on.
            self._bases.append(chain)
        elif not chain.why:
            chain.why = chain.cut_fault(self.cuts)
        if chain.why:
            result.breaks.append(f"chain {chain.writer}: {chain.why}")
        result.notes += [f"chain {chain.writer}: {note}" for note in chain.notes]

    def finish(self) -> Result:
        """All lines were there."""
        if not self.seen:
            self._compare()
        self._finish_chain()
        result = self.result
        for chain in self._bases:
            why = chain.cut_fault(self.cuts)
            if why and not chain.why:
                result.breaks.append(f"chain {chain.writer}: {why}")
        for writer in sorted(set(self.heads.by_chain) - self.seen):
            why = self.heads.of(writer).ended(seq=0)
            if why:
                result.breaks.append(f"chain {writer}: it is missing; {why}")
        result.breaks[:0] = self.heads.breaks
        if not self._ended:
            result.breaks.append("the export has no last line: it was cut off")
        result.sealed_at = self.heads.last.at if self.heads.last else None
        if not self.heads.count:
            result.notes.append("no heads: nothing but the chains themselves was verified")
        return result


def verify_export(
    lines: Iterable[str],
    *,
    keys: dict[str, Ed25519PublicKey],
    anchored: Iterable[Head] | None = None,
    as_of: datetime | None = None,
) -> Result:
    """Verify an export of kind evidence, read once from start to end. Memory holds what was in
    flight at one time, and the heads. Never raises for what stands in the lines."""
    walk = _Walk(keys, anchored, as_of)
    number = 0
    try:
        for line in lines:
            number += 1
            walk.line(line.rstrip("\n"))
        result = walk.finish()
    except Malformed as malformed:
        result = walk.result
        result.breaks = [*walk.heads.breaks, *result.breaks, f"line {number}: {malformed}"]
    return result


def main(arguments: list[str] | None = None) -> int:
    """The command: 0 when everything holds, 1 when something breaks, 2 when it cannot be read."""
    parser = argparse.ArgumentParser(description="Verify an exported audit log.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="the public key, PEM")
    parser.add_argument("--anchor", type=Path, help="heads kept elsewhere")
    parser.add_argument("--as-of", help="miss no anchored head later than this time")
    given = parser.parse_args(arguments)
    try:
        keys = load_keys(given.key.read_text(encoding="utf-8"))
        anchored = None
        if given.anchor:
            with given.anchor.open(encoding="utf-8", errors="replace") as file:
                anchored = list(read_anchor(file, keys))
        as_of = datetime.fromisoformat(given.as_of) if given.as_of else None
        if as_of is not None and as_of.tzinfo is None:
            as_of = as_of.replace(tzinfo=UTC)
        with given.export.open(encoding="utf-8", errors="replace", newline="\n") as file:
            result = verify_export(file, keys=keys, anchored=anchored, as_of=as_of)
    except (OSError, ValueError, Malformed) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for note in result.notes:
        sys.stdout.write(f"note: {note}\n")
    for broken in result.breaks:
        sys.stderr.write(f"{broken}\n")
    sealed = f", sealed at {result.sealed_at:%Y-%m-%dT%H:%M:%SZ}" if result.sealed_at else ""
    sys.stdout.write(
        f"{result.records} records of {result.chains} chains, {result.heads} heads"
        f" ({result.anchored} held against the anchor){sealed}: "
        + (f"{len(result.breaks)} breaks\n" if result.breaks else "everything holds\n")
    )
    return 1 if result.breaks else 0


if __name__ == "__main__":
    sys.exit(main())
