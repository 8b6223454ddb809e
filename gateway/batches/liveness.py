"""Which processes of this machine that ran rows are gone, known at once and not when leases end.

Each such process holds a lock on a file of its own; the system lets go of it however the process
ends. A name that was made elsewhere proves nothing here: then only the lease's end counts.
"""

import contextlib
import fcntl
import os
import secrets
import socket
from pathlib import Path

from django.conf import settings

from gateway.audit.lease import directory_id


class Presence:
    """This process, as long as it lives. `name` is unique and never used again."""

    def __init__(self) -> None:
        folder = _folder()
        self._path = folder / f"{secrets.token_hex(8)}.lock"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self.name = f"{_here(folder)}:{self._path.stem}"

    def end(self) -> None:
        """Say that it is gone. Idempotent."""
        if self._fd >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def is_gone(name: str) -> bool:
    """Whether the process of that name has certainly ended. False when nobody can tell."""
    folder = _folder()
    here, _, token = name.rpartition(":")
    if here != _here(folder) or not token.isalnum():
        return False
    path = folder / f"{token}.lock"
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return True
    finally:
        os.close(fd)


def _folder() -> Path:
    folder: Path = settings.BATCHES_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _here(folder: Path) -> str:
    return f"{socket.gethostname()[:40]}:{directory_id(folder)[:12]}"
