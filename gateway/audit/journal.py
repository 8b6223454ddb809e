"""The write-ahead journal of one process: what was decided is on file before a byte leaves.

Owns the writing side of the format in `gateway.audit.chain`: one writer per process incarnation,
its segments locked (flock) for as long as it lives, one `write` per record, the hash chain.
Deliberately does not know Django, the database or what the records mean; reading is the loader's.

Durability: when `append` returns, the operating system has the record, so `kill -9` loses
nothing. A thread brings it to the disk (fsync) within `sync_interval_s`, never the event loop;
a power cut may lose that much. For those who cannot accept it, the place is a `Journal` around this
one that commits the decision to the database before it returns.

INVARIANT: no record is acknowledged after a failed one in the same segment. Any failure (short
write, disk full, I/O error, file or directory gone, failed fsync) breaks the journal; it denies
until a new segment could be begun, which continues the chain after the last acknowledged record.
"""

import contextlib
import errno
import fcntl
import logging
import os
import secrets
import socket
import threading
import time
from binascii import hexlify
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from gateway.audit.chain import LINE_FORM, Header, genesis, segment_path
from gateway.audit.records import JournalUnavailable, Record

log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 16 * 1024 * 1024
MAX_BYTES: Final = 512 * 1024 * 1024
_MEASURE_INTERVAL_S: Final = 1.0
_LINE: Final = LINE_FORM + b"\n"
_encode = msgspec.json.Encoder().encode
_process = os.getpid()


def _after_fork() -> None:
    global _process  # noqa: PLW0603 - getpid is a system call, 0.2 µs a record
    _process = os.getpid()


os.register_at_fork(after_in_child=_after_fork)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterIdentity:
    """One process incarnation. `started_at` in Unix seconds."""

    id: str
    role: str  # "web", "worker"
    host: str
    pid: int
    started_at: float


class FileJournal:
    """Implements `gateway.inference.contracts.Journal`. Safe to call from several threads.

    `segment_bytes`: size at which a new segment begins. `max_bytes`: what may lie in the directory
    (of all writers, measured once a second and counted on in between) before this journal denies;
    the loader removes what it has loaded, so this is what it is behind by, plus the segments being
    written. `reopen_after_s`: the least time between two attempts to mend a broken journal.
    """

    def __init__(
        self,
        directory: Path,
        *,
        role: str = "web",
        segment_bytes: int = SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
        sync_interval_s: float = 0.05,
        reopen_after_s: float = 0.25,
    ) -> None:
        """Begin the first segment. Raises JournalUnavailable when that is impossible."""
        self.writer = WriterIdentity(
            id=secrets.token_hex(16),
            role=role,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=time.time(),
        )
        self.directory = directory
        self._segment_limit = segment_bytes
        self._max_bytes = max_bytes
        self._sync_interval_s = sync_interval_s
        self._reopen_after_s = reopen_after_s
        self._lock = threading.Lock()
        self._seq = 0
        self._digest = bytes.fromhex(genesis(self.writer.id))
        self._hash = hexlify(self._digest)
        self._segment = 0
        self._segment_size = 0
        self._fd = -1
        self._retired: list[int] = []
        self._fault: str | None = None
        self._retry_at = 0.0
        self._directory_bytes = 0
        self._measured_at = 0.0
        self._dirty = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._closed = False
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._begin_segment()
            self._measure()
        except OSError as error:
            raise JournalUnavailable(_describe("cannot begin", error)) from error
        self._syncer = threading.Thread(target=self._sync_loop, name="journal-sync", daemon=True)
        self._syncer.start()

    @property
    def fault(self) -> str | None:
        """Why the journal denies at the moment, in words for the operator; None: it does not."""
        return self._fault

    @property
    def last_seq(self) -> int:
        """Seq of the last acknowledged record; 0 before the first."""
        return self._seq

    @property
    def waiting_bytes(self) -> int:
        """What lies in the directory, of all writers: not loaded yet, or being written."""
        return self._directory_bytes

    def append(self, record: Record) -> None:
        """Write one record; returns when the operating system has it.

        Raises JournalUnavailable; then the record is not part of the chain and nothing may be
        sent. One write(2), no fsync.
        """
        try:
            body = _encode(record)
        except (TypeError, ValueError, OverflowError) as error:
            # `from None`: the error's text may quote the value.
            raise JournalUnavailable(f"not a valid record ({type(error).__name__})") from None
        with self._lock:
            if self._fault is not None or self._segment_size >= self._segment_limit:
                self._next_segment()
            if self._directory_bytes >= self._max_bytes:
                self._require_room()
            seq = self._seq + 1
            digest = sha256(self._digest + seq.to_bytes(8, "big") + body).digest()
            hash_ = hexlify(digest)
            self._write(_LINE % (seq, self._hash, hash_, body))
            self._seq = seq
            self._hash = hash_
            self._digest = digest
            if not self._dirty:
                self._dirty = True
                self._wake.set()

    def close(self) -> None:
        """End the chain cleanly: say so in the file, sync, let go of the lock. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._fault is None and self.writer.pid == _process:
                with contextlib.suppress(JournalUnavailable):
                    end = f'{{"closed":{{"seq":{self._seq},"hash":"{self._hash.decode()}"}}}}\n'
                    self._write(end.encode())
            self._fault = "closed"
        self._stop.set()
        self._wake.set()
        self._syncer.join()
        for fd in (*self._retired, self._fd):
            with contextlib.suppress(OSError):
                os.fsync(fd)
            with contextlib.suppress(OSError):
                os.close(fd)
        self._retired = []
        self._fd = -1

    def _write(self, line: bytes) -> None:
        if self.writer.pid != _process:
            raise JournalUnavailable("the journal belongs to the process before the fork")
        try:
            # A file that was removed takes every write and keeps none. Asking before each write
            # costs 0.8 µs (the cheapest way there is), asking now and then would acknowledge
            # decisions that nobody can ever read.
            if os.fstat(self._fd).st_nlink == 0:
                self._break("the segment was removed")
            written = os.write(self._fd, line)
        except OSError as error:
            self._break(_describe("cannot write", error))
        if written != len(line):
            self._break(f"short write ({written} of {len(line)} bytes): is the disk full?")
        self._segment_size += written
        self._directory_bytes += written

    def _break(self, reason: str) -> NoReturn:
        """Deny from now on. Always raises."""
        if self._fault is None:
            log.error("the journal in %s denies: %s", self.directory, reason)
        self._fault = reason
        raise JournalUnavailable(f"journal in {self.directory}: {reason}")

    def _next_segment(self) -> None:
        """Rotate, or mend a broken journal. Raises JournalUnavailable."""
        if self._closed:
            raise JournalUnavailable(f"journal in {self.directory}: closed")
        if self.writer.pid != _process:
            raise JournalUnavailable("the journal belongs to the process before the fork")
        now = time.monotonic()
        if self._fault is not None and now < self._retry_at:
            raise JournalUnavailable(f"journal in {self.directory}: {self._fault}")
        self._retry_at = now + self._reopen_after_s
        try:
            self._begin_segment()
        except OSError as error:
            self._break(_describe("cannot begin a segment", error))
        if self._fault is not None:
            log.warning("the journal in %s is written again", self.directory)
        self._fault = None

    def _begin_segment(self) -> None:
        """Create the next segment, locked before others can see it, and switch to it.

        The segment before is unlocked only afterwards (by the sync thread), so that whoever
        lists the directory always finds a locked one while this process lives. The directory is
        never made anew: when it vanished, evidence vanished, and an operator has to look.
        """
        number = self._segment + 1
        path = segment_path(self.directory, self.writer.id, number)
        hidden = path.with_suffix(".new")
        header = Header(
            journal=1,
            writer=self.writer.id,
            segment=number,
            role=self.writer.role,
            host=self.writer.host,
            pid=self.writer.pid,
            started_at=self.writer.started_at,
            after=self._seq,
            prev=self._hash.decode(),
        )
        line = _encode(header) + b"\n"
        fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_whole(fd, line)
            hidden.rename(path)
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                hidden.unlink()
            raise
        if self._fd >= 0:
            self._retired.append(self._fd)
        self._fd = fd
        self._segment = number
        self._segment_size = len(line)
        self._directory_bytes += len(line)
        self._dirty = True
        self._wake.set()

    def _require_room(self) -> None:
        """Raises JournalUnavailable while the directory holds more than it may."""
        if time.monotonic() - self._measured_at >= self._reopen_after_s:
            self._measure()
        if self._directory_bytes >= self._max_bytes:
            raise JournalUnavailable(
                f"journal in {self.directory}: {self._directory_bytes} bytes wait to be loaded, "
                f"{self._max_bytes} may; is the loader running?"
            )

    def _measure(self) -> None:
        """Count what lies in the directory. Reads the directory."""
        total = 0
        with os.scandir(self.directory) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl"):
                    with contextlib.suppress(FileNotFoundError):  # loaded meanwhile
                        total += entry.stat().st_size
        self._directory_bytes = total
        self._measured_at = time.monotonic()

    def _sync_loop(self) -> None:
        """Bring what was written to the disk, in groups."""
        while not self._stop.is_set():
            self._wake.wait()
            self._stop.wait(self._sync_interval_s)
            self._wake.clear()
            with self._lock:
                self._dirty = False
                current = self._fd
                retired, self._retired = self._retired, []
            try:
                for fd in (*retired, current):
                    os.fsync(fd)
                if retired:
                    self._sync_directory()
                if time.monotonic() - self._measured_at >= _MEASURE_INTERVAL_S:
                    with self._lock:
                        self._measure()
            except OSError as error:
                with self._lock:
                    if self._fault is None:
                        self._fault = _describe("cannot sync", error)
                        log.error(  # noqa: TRY400 -- the reason says it all
                            "the journal in %s denies: %s", self.directory, self._fault
                        )
            finally:
                for fd in retired:
                    with contextlib.suppress(OSError):
                        os.close(fd)

    def _sync_directory(self) -> None:
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_whole(fd: int, line: bytes) -> None:
    if os.write(fd, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _describe(what: str, error: OSError) -> str:
    return f"{what}: {error.strerror or error}"
