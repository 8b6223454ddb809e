"""A database that is migrated already: an installation that a test starts copies it.

Migrating an empty database takes longer than everything else at a start. What it makes is the same
for every installation: the tables, and nothing that is made with a secret.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def give_database(var: Path, env: Mapping[str, str]) -> None:
    """Put a migrated SQLite database into `var`, where an installation has none yet."""
    to = var / "sluice.sqlite3"
    if not to.exists() and not env.get("DATABASE_URL"):
        var.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_database(), to)


@cache
def _database() -> Path:
    """The migrated database of this code: made once on a machine, whichever process comes first."""
    place = Path(tempfile.gettempdir()) / f"sluice-migrated-{os.geteuid()}-{_version()}"
    place.mkdir(mode=0o700, exist_ok=True)
    made = place / "sluice.sqlite3"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=place) as var:
                _migrate(var)
                (Path(var) / made.name).rename(made)
    return made


def _version() -> str:
    """Changes with every migration: ours by their text, those of packages by the lock."""
    files = [ROOT / "requirements" / "run.txt", *ROOT.glob("*/**/migrations/*.py")]
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _migrate(var: str) -> None:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLUICE_", "DATABASE_", "REDIS_"))
    }
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity=0"],
        cwd=ROOT,
        env={**kept, "SLUICE_VAR": var},
        check=True,
    )
