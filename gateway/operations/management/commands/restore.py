"""`manage.py restore FILE`: a backup into an installation that has nothing yet."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from typing_extensions import override

from gateway.audit.event_types import EventType
from gateway.audit.services import record_event
from gateway.operations.archive import BadArchive, reading
from gateway.operations.database_copies import CannotCopy
from gateway.operations.restoring import CannotRestore, Restored, restore


class Command(BaseCommand):
    """Restores what `backup` made."""

    help = "Restore a backup into an empty SLUICE_VAR (and an empty PostgreSQL database)."
    # The keys may be in the backup.
    requires_system_checks: list[str] = []  # noqa: RUF012 -- Django's own declaration

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with reading(options["file"]) as archive:
                done = restore(archive)
        except (BadArchive, CannotRestore, CannotCopy, OSError) as error:
            raise CommandError(f"nothing was restored: {error}") from error
        except DatabaseError as error:
            raise CommandError(f"nothing was restored: {type(error).__name__}") from None
        self._report(done)
        call_command("audit", "verify", stdout=self.stdout, stderr=self.stderr)

    def _report(self, done: Restored) -> None:
        manifest = done.manifest
        rows = sum(manifest.rows.values())
        record_event(
            actor="system:command-line",
            type=EventType.BACKUP_RESTORED,
            object_type="backup",
            object_id=manifest.made_at,
            details={"made_at": manifest.made_at, "rows": rows, "files": manifest.files},
        )
        self.stdout.write(
            f"restored the backup of {manifest.made_at}: {rows} rows, {manifest.files} files, "
            f"{done.loaded} records from the journal"
        )
        for place, count in sorted(done.unreadable.items()):
            self.stderr.write(f"{count} in {place} open with none of the keys")
        if done.unreadable:
            raise CommandError(
                "secrets cannot be read: give SLUICE_KEY_ENCRYPTION_KEY the keys of the "
                "installation that was backed up (keys/kek.key in the backup has them)"
                if not settings.EMBEDDED or not manifest.with_keys
                else "secrets cannot be read with the keys in the backup"
            )
