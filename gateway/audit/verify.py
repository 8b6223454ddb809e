"""Walks every chain, in the database and in the journals not loaded yet, and names what breaks.

Reads only. For each writer: every record's hash from the stored text, its link to the one
before, no gap, the searchable columns as the text says, the end where the writer's row says.
What the chains do not show by themselves, rows cut off at the end together with the writer's
position or a chain written anew as a whole, the signed heads show, and heads kept elsewhere show
it of a log whose heads were signed anew.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from typing_extensions import override

from gateway.audit import chain
from gateway.audit.chain import Position
from gateway.audit.continuity import Cut, Dating, cut_fault
from gateway.audit.heads import Heads, Sealed
from gateway.audit.lease import ID_FILE
from gateway.audit.links import Link, events, requests
from gateway.audit.models import AuditEvent, Writer
from gateway.audit.reading import read_chunk

_ATTEMPTS: Final = 3  # of a writer that the loader moves on meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first row or line of a chain that does not hold."""

    writer: str
    where: str  # "request record 12 (decision d_…)", "event 7", "journal segment 2, byte 300"
    why: str

    @override
    def __str__(self) -> str:
        return f"writer {self.writer}: {self.where}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was walked: chains, records, and the first break of each chain that has one.

    `notes`: what is odd and no break. `unsealed`: records that no head has sealed yet.
    """

    writers: int
    records: int
    breaks: tuple[Break, ...]
    heads: int = 0
    sealed_at: datetime | None = None
    unsealed: int = 0
    notes: tuple[str, ...] = ()


class _Broken(Exception):
    def __init__(self, where: str, why: str) -> None:
        super().__init__(why)
        self.where = where
        self.why = why


def verify(directory: Path | None, *, heads: Heads | None = None) -> Report:
    """Verify all chains; `directory` holds the journals not loaded yet (None: database only).

    `heads`: as read before the call; without them the chains are held against themselves alone.
    Many queries, memory bounded by the requests in flight at one time. Raises DatabaseError,
    OSError.
    """
    sealed = heads or Heads()
    breaks = [Break(writer="heads", where="signed heads", why=why) for why in sealed.breaks]
    walked = _Walked(heads=heads, breaks=breaks)
    writers = set(Writer.objects.values_list("pk", flat=True))
    journals = set(chain.list_segments(directory)) if directory else set()
    # The control chain first: it says what was pruned of the others.
    for writer in sorted(writers | journals, key=lambda id_: (id_ != chain.CONTROL_WRITER, id_)):
        walked.chain(writer, directory)
    for writer in sorted(set(sealed.by_chain) - writers - journals):
        why = sealed.of(writer).ended(seq=0)
        if why:
            breaks.append(Break(writer=writer, where="its rows", why=f"they are gone; {why}"))
    if chain.CONTROL_WRITER not in writers and AuditEvent.objects.exists():
        broken_at = Break(writer=chain.CONTROL_WRITER, where="events", why="the chain has no row")
        breaks.append(broken_at)
    return Report(
        writers=len(writers | journals),
        records=walked.records,
        breaks=tuple(breaks),
        heads=sealed.count,
        sealed_at=sealed.last.at if sealed.last else None,
        unsealed=walked.unsealed,
        notes=tuple(walked.notes),
    )


class _Walked:
    """What all walks together found."""

    def __init__(self, *, heads: Heads | None, breaks: list[Break]) -> None:
        self.heads = heads
        self.breaks = breaks
        self.notes: list[str] = []
        self.records = 0
        self.unsealed = 0
        self._cuts: dict[str, Cut] = {}

    def chain(self, writer: str, directory: Path | None) -> None:
        """Walk one chain."""
        sealed = self.heads.of(writer) if self.heads else None
        walk, broken = _verify_writer(writer, directory, sealed, self._cuts)
        self.records += walk.count
        self.notes += [f"writer {writer}: {note}" for note in walk.notes]
        if sealed:
            self.unsealed += max(0, walk.position.seq - (sealed.last_seq if not broken else 0))
        if broken:
            self.breaks.append(Break(writer=writer, where=broken.where, why=broken.why))


def _verify_writer(
    writer: str, directory: Path | None, sealed: Sealed | None, cuts: dict[str, Cut]
) -> tuple["_Walk", _Broken | None]:
    """The walk along one chain, and what is the first that does not hold."""
    for attempt in range(_ATTEMPTS):
        row = Writer.objects.prefetch_related("files").filter(pk=writer).first()
        walk = _Walk(writer, row, sealed, cuts)
        try:
            walk.database()
            if directory:
                walk.journal(directory)
            walk.end()
        except _Broken as broken:
            now = Writer.objects.filter(pk=writer).values_list("last_seq", "ending").first()
            then = (row.last_seq, row.ending) if row else None
            if now != then and attempt < _ATTEMPTS - 1:
                continue
            return walk, broken
        return walk, None
    raise AssertionError("unreachable")


class _Walk:
    """One walk along one chain."""

    def __init__(
        self, writer: str, row: Writer | None, sealed: Sealed | None, cuts: dict[str, Cut]
    ) -> None:
        self.writer = writer
        self.row = row
        self.count = 0
        self.notes: list[str] = []
        self.sealed = sealed or Sealed()
        self.cuts = cuts
        self.kept: list[tuple[int, str]] = []
        self.first = row.first_seq if row else 1
        self.position = Position.start(writer)
        self._judged = sealed is not None
        self._dating = Dating()
        if row and self.first > 1:
            self.position = self.position.at(seq=self.first - 1, hash_=row.base_hash)
        self._base = self.position

    def database(self) -> None:
        """From the chain's first row to where the writer's row says it stands."""
        if self.row is None:
            return
        why = self.sealed.begin(seq=self._base.seq, hash_=self._base.hash)
        if why:
            raise _Broken(f"record {self._base.seq}", why)
        links = requests(self.row)
        if self.writer == chain.CONTROL_WRITER:
            links = events(self.row, self.cuts)
        for link in links:
            if link.seq < self.first:
                self._keep(link)
            else:
                self._step(link)
        if (self.position.seq, self.position.hash) != (self.row.last_seq, self.row.last_hash):
            raise _Broken(
                f"record {self.row.last_seq}",
                f"the rows end at record {self.position.seq}, the writer stands elsewhere",
            )

    def end(self) -> None:
        """The chain's end, and its beginning, as heads and prune records say they should be."""
        why = self.sealed.ended(seq=self.position.seq)
        if why:
            raise _Broken(f"record {self.position.seq}", why)
        sealed = self.sealed if self._judged else None
        cut, base = self.cuts.get(self.writer), self._base.hash
        why = cut_fault(cut, first=self.first, base=base, kept=self.kept, sealed=sealed)
        if why:
            raise _Broken(f"record {self.first}", why)

    def journal(self, directory: Path) -> None:
        """On from there, through the lines that are not loaded yet."""
        files = {file.segment: file for file in self.row.files.all()} if self.row else {}
        segments = chain.list_segments(directory).get(self.writer, [])
        if not segments:
            self._miss(directory)
        for segment in segments:
            file = files.get(segment.number)
            if file and file.finished:
                continue
            offset = file.offset if file else 0
            while True:
                try:
                    chunk = read_chunk(segment, offset=offset, position=self.position)
                except FileNotFoundError:
                    where = f"journal segment {segment.number}"
                    raise _Broken(where, "it was removed") from None
                for fault in chunk.faults:
                    where = f"journal segment {segment.number}, byte {fault.offset}"
                    raise _Broken(where, fault.text)
                offset, self.position = chunk.end, chunk.position
                self.count += len(chunk.entries)
                if chunk.exhausted:
                    break

    def _miss(self, directory: Path) -> None:
        """A writer that never ended has a journal, where this is the directory it writes to."""
        if self.row is None or self.row.ending or self.writer == chain.CONTROL_WRITER:
            return
        name = directory / ID_FILE
        if name.exists() and name.read_text(encoding="ascii").strip() == self.row.directory:
            raise _Broken("its journal", f"it is gone from {directory}")

    def _step(self, link: Link) -> None:
        why = self.position.fault_of(
            seq=link.seq, prev=link.prev, hash_=link.hash, record=link.record.encode()
        )
        if why or link.why:
            raise _Broken(link.where, why or link.why)
        self.position = self.position.at(seq=link.seq, hash_=link.hash)
        self.count += 1
        if link.at is not None:
            self._date(link, link.at)
        if link.seq == self.sealed.next_seq:
            self._seal(link)

    def _keep(self, link: Link) -> None:
        """A record from before a cut: it stands for itself, and the prune record vouches for it."""
        try:
            holds = chain.link(link.prev, link.seq, link.record.encode()) == link.hash
        except (ValueError, OverflowError):
            holds = False
        if not holds or link.why:
            altered = f"record {link.seq} was altered: its content does not give its hash"
            raise _Broken(link.where, link.why or altered)
        self.kept.append((link.seq, link.hash))
        self.count += 1

    def _date(self, link: Link, at: float) -> None:
        why = self._dating.fault(at)
        if why and self.writer != chain.CONTROL_WRITER:
            raise _Broken(link.where, why)
        if why:  # a clock that was set back
            self.notes.append(f"{link.where}: {why}")

    def _seal(self, link: Link) -> None:
        after = self.sealed.points[self.sealed.place].after
        why = self.sealed.passed(seq=link.seq, hash_=link.hash)
        if why:
            raise _Broken(link.where, why)
        late = self._dating.late(after)
        if late:
            self.notes.append(f"up to {link.where}: {late}: loaded late, or back-dated")
