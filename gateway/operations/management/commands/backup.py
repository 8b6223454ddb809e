"""`manage.py backup FILE`: everything in one file, while Sluice runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from typing_extensions import override

from gateway.audit.event_types import EventType
from gateway.audit.services import record_event
from gateway.key_encryption import NoKeys
from gateway.operations.archive import BadArchive
from gateway.operations.backups import make_backup
from gateway.operations.database_copies import CannotCopy


class Command(BaseCommand):
    """Backs up database, journal, stored files and keys."""

    help = "Write a verified backup of database, journal, stored files and keys to a new file."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--without-keys",
            action="store_true",
            help="leave the keys out: whoever has this backup alone reads no secret in it",
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        target: Path = options["file"].absolute()
        with_keys = not options["without_keys"]
        try:
            manifest = make_backup(target, with_keys=with_keys)
        except (BadArchive, CannotCopy, NoKeys, OSError) as error:
            raise CommandError(f"no backup was made: {error}") from error
        except DatabaseError as error:
            # The error's text may quote a row.
            raise CommandError(f"no backup was made: {type(error).__name__}") from None
        rows = sum(manifest.rows.values())
        record_event(
            actor="system:command-line",
            type=EventType.BACKUP_MADE,
            object_type="backup",
            object_id=manifest.made_at,
            details={"rows": rows, "files": manifest.files, "with_keys": with_keys},
        )
        self.stdout.write(f"{target}: {rows} rows, {manifest.files} files, verified")
        if with_keys:
            self.stdout.write("it holds the keys to every secret in it: keep it like one")
