"""Brings the journals of a directory into the database, each record exactly once.

One elected process (`Lease`) runs it. A pass reads what every journal holds beyond what is
loaded, checks the chains, and stores records, read offsets and chain positions in one
transaction, whose first statement is the lease's fence. Orphans of dead processes are loaded to
their end, their missing outcomes marked, their files removed.

INVARIANT: a file is removed only after the transaction that stored its last record is committed.
INVARIANT: a break of a chain becomes a `journal.broken` event in the same transaction, and the
file it is in is kept, renamed to `.broken`.
"""

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from gateway.audit import chain
from gateway.audit.columns import moment
from gateway.audit.event_types import EventType
from gateway.audit.lease import LEASE_TIME, Lease, LeaseLost, directory_id
from gateway.audit.models import Ending, JournalFile, OutcomeState, RequestRecord, Writer
from gateway.audit.reading import Chunk, Fault, limited, living, read_chunk
from gateway.audit.rows import store
from gateway.audit.services import record_event
from gateway.audit.sinks import sinks

log = logging.getLogger(__name__)

PASS_ENTRIES: Final = 5000  # records in one transaction, about: keeps others' waits short
# A pass costs 1.8 ms beside its records (bookkeeping, commit, pages written again), so waiting
# makes records cheap: at 3,000 requests a second 10 µs less of each than with 50 ms. Longer waits
# give some of it back, because what was read leaves the processor's cache before it is stored.
# The commit stays synchronous=FULL: a segment is removed on its word (an fsync a pass is cheap).
LOADED_WAIT_S: Final = 0.25
BEHIND_WAIT_S: Final = 0.02  # when more is left: only lets others write
LONGEST_WAIT_S: Final = 0.5
RETRY_WAIT_S: Final = 1.0
_ACTOR: Final = "system:loader"


@dataclass(slots=True)
class _File:
    """What is known of a segment."""

    offset: int = 0
    finished: bool = False
    faulty: bool = False


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Where a writer stands in the database, kept in memory between passes."""

    position: chain.Position
    registered: bool = False  # it has its row
    ended: bool = False
    closed: bool = False
    files: dict[int, _File] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What a pass found for one writer."""

    writer: str
    progress: _Progress  # as it will be once stored
    chunks: list[Chunk] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    finished: list[chain.Segment] = field(default_factory=list)  # to be removed afterwards
    dead: bool = False  # the process is gone and everything is read

    @property
    def entries(self) -> int:
        return sum(len(chunk.entries) for chunk in self.chunks)

    @property
    def anything(self) -> bool:
        return bool(self.chunks or self.faults or self.finished or self.dead)


class Loader:
    """Loads one journal directory. Not for use by several threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lease = Lease(directory)
        self._progress: dict[str, _Progress] = {}
        self.loaded = 0  # records stored since it was made
        self.behind = False  # whether the last pass left something for want of room

    def step(self) -> bool:
        """One pass. Returns whether there was anything to do.

        Raises LeaseLost, DatabaseError, OSError: nothing was stored then, and the next pass
        begins from what the database says.
        """
        try:
            return self._step()
        except (LeaseLost, DatabaseError, OSError):
            self._progress.clear()
            raise

    def load(self) -> int:
        """Passes until nothing is left to load; returns how many records were stored."""
        before = self.loaded
        while self.step():
            pass
        return self.loaded - before

    def _step(self) -> bool:
        readings = self._read()
        if not readings:
            return False
        with transaction.atomic():
            self.lease.hold()
            for reading in readings:
                self._store(reading)
        for reading in readings:
            self._progress[reading.writer] = reading.progress
            self._remove(reading)
            self.loaded += reading.entries
        return True

    # --- reading ---------------------------------------------------------------------------

    def _read(self) -> list[_Reading]:
        readings: list[_Reading] = []
        room = PASS_ENTRIES
        for writer in chain.list_segments(self.directory):
            reading = self._read_writer(writer, room=room)
            if reading.anything:
                readings.append(reading)
                room -= reading.entries
            if room <= 0:
                break
        self.behind = room <= 0
        return readings

    def _read_writer(self, writer: str, *, room: int) -> _Reading:
        known = self._progress_of(writer)
        alive, segments = living(self.directory, writer)
        reading = _Reading(
            writer=writer,
            progress=_Progress(
                position=known.position,
                registered=known.registered,
                ended=known.ended,
                closed=known.closed,
                files={number: _copy(file) for number, file in known.files.items()},
            ),
        )
        for segment in segments:
            file = reading.progress.files.setdefault(segment.number, _File())
            if file.finished:  # stored, and the removal did not happen
                reading.finished.append(segment)
            elif known.ended:
                self._refuse_late(reading, segment, file)
            else:
                final = not alive or segment is not segments[-1]
                if not self._read_segment(reading, segment, file, final=final, room=room):
                    return reading
        reading.dead = bool(segments) and not alive and not known.ended
        return reading

    def _read_segment(
        self, reading: _Reading, segment: chain.Segment, file: _File, *, final: bool, room: int
    ) -> bool:
        """Read on in a segment. False: there is more to read in it than this pass may."""
        while True:
            if reading.entries >= room:
                return False
            try:
                chunk = read_chunk(segment, offset=file.offset, position=reading.progress.position)
            except FileNotFoundError:
                text = "the segment was removed before it was loaded"
                reading.faults.append(
                    Fault(segment=segment.number, offset=file.offset, seq=None, text=text)
                )
                file.finished = True
                return True
            progressed = chunk.end != file.offset or bool(chunk.faults)
            file.offset = chunk.end
            file.faulty = file.faulty or bool(chunk.faults)
            reading.progress.position = chunk.position
            reading.progress.closed = reading.progress.closed or chunk.closed
            if progressed:
                reading.chunks.append(chunk)
            if chunk.exhausted:
                if final:
                    file.finished = True
                    reading.finished.append(segment)
                return True

    def _refuse_late(self, reading: _Reading, segment: chain.Segment, file: _File) -> None:
        """A file that turns up after its writer was closed: none of it is taken for evidence."""
        text = "a segment appeared after its writer had ended"
        reading.faults.append(Fault(segment=segment.number, offset=0, seq=None, text=text))
        file.finished = file.faulty = True
        reading.finished.append(segment)

    def _progress_of(self, writer: str) -> _Progress:
        known = self._progress.get(writer)
        if known is None:
            row = Writer.objects.filter(pk=writer).first()
            if row is None:
                known = _Progress(position=chain.Position.start(writer))
            else:
                known = _Progress(
                    position=chain.Position(writer=writer, seq=row.last_seq, hash=row.last_hash),
                    registered=True,
                    ended=bool(row.ending),
                    files={
                        file.segment: _File(file.offset, file.finished, file.faulty)
                        for file in row.files.all()
                    },
                )
            self._progress[writer] = known
        return known

    # --- storing, within the transaction -------------------------------------------------------

    def _store(self, reading: _Reading) -> None:
        self._register(reading)
        faults = list(reading.faults)
        for chunk in reading.chunks:
            faults += chunk.faults
            refused = store(reading.writer, chunk.entries)
            self._tell(reading.writer, chunk, {seq for seq, _ in refused})
            for seq, why in refused:
                number = chunk.segment.number
                reading.progress.files[number].faulty = True
                text = f"record {seq}: {why}"
                faults.append(Fault(segment=number, offset=chunk.end, seq=seq, text=text))
        for number in {chunk.segment.number for chunk in reading.chunks} | {
            segment.number for segment in reading.finished
        }:
            self._advance(reading.writer, number, reading.progress.files[number])
        position = reading.progress.position
        Writer.objects.filter(pk=reading.writer).update(
            last_seq=position.seq, last_hash=position.hash
        )
        for fault in limited(faults):
            self._report(reading.writer, fault)
        if reading.dead:
            self._end(reading)

    def _tell(self, writer: str, chunk: Chunk, refused: set[int]) -> None:
        if not sinks:
            return
        stored = chunk.entries
        if refused:
            stored = [entry for entry in stored if entry.seq not in refused]
        for sink in sinks:
            sink.loaded(writer, stored)

    def _advance(self, writer: str, number: int, file: _File) -> None:
        """Note how far a segment is read. One statement but for the first time."""
        values = {"offset": file.offset, "finished": file.finished, "faulty": file.faulty}
        known = JournalFile.objects.filter(writer_id=writer, segment=number)
        if not known.update(**values):
            JournalFile.objects.create(writer_id=writer, segment=number, **values)

    def _register(self, reading: _Reading) -> None:
        if reading.progress.registered:
            return
        reading.progress.registered = True
        header = next((chunk.header for chunk in reading.chunks if chunk.header), None)
        start = chain.genesis(reading.writer)
        Writer.objects.get_or_create(
            pk=reading.writer,
            defaults={
                "role": header.role if header else "",
                "host": header.host if header else "",
                "pid": header.pid if header else 0,
                "started_at": moment(header.started_at) if header else timezone.now(),
                "directory": directory_id(self.directory),
                "base_hash": start,
                "last_hash": start,
            },
        )

    def _report(self, writer: str, fault: Fault) -> None:
        log.error(
            "journal of writer %s, segment %d, byte %d: %s",
            *(writer, fault.segment, fault.offset, fault.text),
        )
        record_event(
            actor=_ACTOR,
            type=EventType.JOURNAL_BROKEN,
            object_type="writer",
            object_id=writer,
            details={
                "segment": fault.segment,
                "offset": fault.offset,
                "seq": fault.seq,
                "fault": fault.text,
            },
        )

    def _end(self, reading: _Reading) -> None:
        """The process is gone: what it left open stays unknown, and that is written down."""
        closed = reading.progress.closed
        for sink in sinks:
            sink.died(reading.writer)
        table = connection.ops.quote_name(RequestRecord._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET outcome_state = %s "  # noqa: S608 - a name
                "WHERE writer_id = %s AND outcome_state = %s",
                [OutcomeState.WRITER_DIED.value, reading.writer, OutcomeState.PENDING.value],
            )
            unknown = cursor.rowcount
        Writer.objects.filter(pk=reading.writer).update(
            ending=Ending.CLOSED if closed else Ending.DIED, ended_at=timezone.now()
        )
        reading.progress.ended = True
        if closed and not unknown:
            return
        row = Writer.objects.get(pk=reading.writer)
        record_event(
            actor=_ACTOR,
            type=EventType.WRITER_DIED,
            object_type="writer",
            object_id=row.pk,
            details={
                "role": row.role,
                "host": row.host,
                "pid": row.pid,
                "last_seq": row.last_seq,
                "unknown_outcomes": unknown,
            },
        )

    # --- after the commit ----------------------------------------------------------------------

    def _remove(self, reading: _Reading) -> None:
        for segment in reading.finished:
            with suppress(FileNotFoundError):
                if reading.progress.files[segment.number].faulty:
                    segment.path.rename(segment.path.with_suffix(".broken"))
                else:
                    segment.path.unlink()
        if reading.progress.ended:
            self._progress.pop(reading.writer, None)


def _copy(file: _File) -> _File:
    return _File(file.offset, file.finished, file.faulty)


def run(directory: Path, *, stop: threading.Event) -> None:
    """Load until `stop` is set: as the elected loader, or ready to become it.

    Waits a quarter of a second after a pass with records, up to half a second when idle, and
    hardly when it is behind. A database that does not answer, or a directory that cannot be read,
    is waited for.
    """
    loader = Loader(directory)
    wait = LOADED_WAIT_S
    idle = 0.0
    while not stop.is_set():
        try:
            if not loader.lease.held and not loader.lease.acquire():
                wait = LONGEST_WAIT_S
            elif loader.step():
                wait, idle = BEHIND_WAIT_S if loader.behind else LOADED_WAIT_S, 0.0
            else:
                wait = min(wait * 2, LONGEST_WAIT_S)
                idle += wait
                if idle > LEASE_TIME.total_seconds() / 3:
                    loader.lease.hold()
                    idle = 0.0
        except LeaseLost as lost:
            log.warning("loader: %s", lost)
            wait = LONGEST_WAIT_S
        except (DatabaseError, OSError) as error:
            # The error's text may quote a row.
            log.error("loader: cannot load now (%s), trying again", type(error).__name__)  # noqa: TRY400
            connection.close()
            wait = RETRY_WAIT_S
        stop.wait(wait)
    loader.lease.release()
