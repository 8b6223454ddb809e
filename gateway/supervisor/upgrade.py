"""`make upgrade`: back up the database, migrate it, verify the audit. Stop Sluice first.

The backup has the database alone; `manage.py backup` makes a whole one.
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

from gateway.operations.archive import BadArchive  # noqa: E402
from gateway.operations.backups import make_backup  # noqa: E402
from gateway.operations.database_copies import CannotCopy, postgres_is_empty  # noqa: E402
from gateway.supervisor.one_copy import claim  # noqa: E402


def back_up() -> Path | None:
    """Copy the database as it is. None: there is none to copy. Raises SystemExit."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    if not settings.EMBEDDED:
        return _back_up_tables(settings.VAR_DIR / f"sluice-{stamp}.backup.tar")
    source = Path(settings.DATABASES["default"]["NAME"])
    if not source.exists():
        return None
    target = source.with_name(f"{source.stem}-{stamp}.backup.sqlite3")
    # The copy is readable by its owner alone, like the original's directory.
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with sqlite3.connect(source) as original, sqlite3.connect(target) as copy:
        original.backup(copy)
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise SystemExit(f"The backup {target} is damaged ({verdict}); nothing was migrated.")
    return target


def _back_up_tables(target: Path) -> Path | None:
    if postgres_is_empty():
        return None
    try:
        make_backup(target, with_keys=False, database_only=True)
    except (CannotCopy, BadArchive, OSError) as error:
        raise SystemExit(f"No backup could be made ({error}); nothing was migrated.") from error
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
