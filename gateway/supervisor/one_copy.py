"""One Sluice per folder of state.

A second one would point the demo models at ports of its own, take the store's socket away and
write to the same SQLite database. The lock belongs to the process: however it ends, it is free.
"""

import fcntl
import sys
from pathlib import Path
from typing import TextIO


def claim(folder: Path) -> TextIO:
    """Take the folder for as long as the file that is returned stays open; else exit, saying so."""
    lock = (folder / "running.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        sys.exit(
            f"A Sluice is running with its state in {folder}. "
            "Stop it first, or name another folder: SLUICE_VAR=/some/where"
        )
    return lock
