"""Who loads a journal directory: a lock on the host and a fenced lease in the database.

The lock (flock on `loader.lock`) elects among the processes of one host and ends with the
process. The lease elects among hosts that share a directory, and its fence makes correctness
independent of both and of every clock: a loader's transactions change the lease's row first and
roll back when somebody else holds it by now.
"""

import contextlib
import fcntl
import os
import secrets
import socket
from datetime import timedelta
from pathlib import Path

from django.db import connection, transaction
from django.utils import timezone

from gateway.audit.models import LoaderLease

LEASE_TIME = timedelta(seconds=10)
LOCK_FILE = "loader.lock"
ID_FILE = "directory.id"


class LeaseLost(Exception):
    """Another loader took over; what this one was about to store must not be stored."""


def directory_id(directory: Path) -> str:
    """The directory's name for itself, made on first use. Raises OSError."""
    path = directory / ID_FILE
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    hidden = directory / f".{ID_FILE}.{secrets.token_hex(8)}"
    hidden.write_text(secrets.token_hex(16), encoding="ascii")
    with contextlib.suppress(FileExistsError):
        os.link(hidden, path)
    hidden.unlink()
    return path.read_text(encoding="ascii").strip()


class Lease:
    """The right to load one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._holder = secrets.token_hex(8)
        self._host = socket.gethostname()
        self._fd = -1
        self._name = ""
        self._fence = 0

    @property
    def held(self) -> bool:
        """Whether `acquire` succeeded and nothing has shown otherwise since."""
        return self._fence > 0

    def acquire(self) -> bool:
        """Try to become the loader. False: another one is. Raises OSError, DatabaseError."""
        if not self._lock():
            return False
        self._name = f"loader:{directory_id(self.directory)}"
        with transaction.atomic():
            leases = LoaderLease.objects.all()
            if connection.features.has_select_for_update:
                leases = leases.select_for_update()
            now = timezone.now()
            row, created = leases.get_or_create(
                name=self._name,
                defaults={
                    "holder": self._holder,
                    "host": self._host,
                    "expires_at": now + LEASE_TIME,
                },
            )
            # The same host: its holder lost the lock, so it is dead, and need not be waited for.
            if not created and row.host != self._host and row.expires_at > now:
                return False
            if not created:
                row.holder, row.host = self._holder, self._host
                row.fence += 1
                row.expires_at = now + LEASE_TIME
                row.save()
            self._fence = row.fence
        return True

    def hold(self) -> None:
        """Prolong the lease. INVARIANT: the first statement of every storing transaction.

        Raises LeaseLost, then the transaction must be rolled back.
        """
        held = LoaderLease.objects.filter(
            name=self._name, holder=self._holder, fence=self._fence
        ).update(expires_at=timezone.now() + LEASE_TIME)
        if held != 1:
            self._fence = 0
            raise LeaseLost(f"another process loads {self.directory}")

    def release(self) -> None:
        """Let others load at once. Idempotent; the database need not answer."""
        self._fence = 0
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lock(self) -> bool:
        if self._fd >= 0:
            return True
        fd = os.open(self.directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True
