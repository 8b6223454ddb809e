"""`make upgrade`: back up the database, migrate it, verify the audit. Stop Sluice first.

With PostgreSQL the backup is the operator's (`pg_dump`); this then migrates and verifies only.
"""

import os
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")  # noqa: TID251

import django

django.setup()

from django.conf import settings  # noqa: E402 -- after setup
from django.core.management import call_command  # noqa: E402
from django.core.management.base import CommandError  # noqa: E402

from gateway.supervisor.one_copy import claim  # noqa: E402


def back_up() -> Path | None:
    """Copy the SQLite database with SQLite's own online backup. None: there is none to copy."""
    source = Path(settings.DATABASES["default"]["NAME"])
    if not settings.EMBEDDED or not source.exists():
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    target = source.with_name(f"{source.stem}-{stamp}.backup.sqlite3")
    # The copy is readable by its owner alone, like the original's directory.
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with sqlite3.connect(source) as original, sqlite3.connect(target) as copy:
        original.backup(copy)
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise SystemExit(f"The backup {target} is damaged ({verdict}); nothing was migrated.")
    return target


def main() -> int:
    """Run the three steps; the exit status is 1 when the audit does not verify."""
    with claim(settings.VAR_DIR):
        return _upgrade()


def _upgrade() -> int:
    backup = back_up()
    if backup is not None:
        sys.stdout.write(f"backed up to {backup}\n")
    call_command("migrate", interactive=False)
    try:
        call_command("audit", "verify")
    except (CommandError, SystemExit) as error:
        sys.stderr.write(f"The audit does not verify: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
