"""Brings a backup back, into an installation that has nothing yet.

INVARIANT: nothing is overwritten, and nothing is begun before the whole archive was verified.
"""

import secrets
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from gateway.audit.loader import Loader
from gateway.audit.sealing import LAST_HEAD_FILE
from gateway.operations.archive import ArchiveReader, Manifest
from gateway.operations.backups import FILES, JOURNAL, KEYS, files_directory
from gateway.operations.database_copies import (
    SQLITE_MEMBER,
    TABLE_MEMBERS,
    CannotCopy,
    postgres_is_empty,
    restore_postgres,
    sqlite_rows,
)
from gateway.operations.sealing_anew import unreadable_values


class CannotRestore(Exception):
    """Nothing was restored; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back. `loaded`: journal records that the database did not have yet."""

    manifest: Manifest
    loaded: int
    unreadable: dict[str, int]


def restore(archive: ArchiveReader) -> Restored:
    """Restore a verified archive: state, database, then the present version's migrations.

    Raises CannotRestore, CannotCopy, DatabaseError, OSError.
    """
    manifest = archive.manifest
    if manifest.engine != connection.vendor:
        raise CannotRestore(f"it is of {manifest.engine}, and this database is {connection.vendor}")
    _require_nothing_there()
    # On the same disk, so that every part is moved into its place at once.
    unpacked: Path = settings.VAR_DIR / f".restoring-{secrets.token_hex(6)}"
    try:
        _unpack(archive, unpacked)
        if manifest.engine == "sqlite":
            rows = sqlite_rows(unpacked / SQLITE_MEMBER)
            _require_rows(manifest, rows)
            _move_state(unpacked)
            connections.close_all()
            (unpacked / SQLITE_MEMBER).rename(_database_path())
        else:
            _require_rows(manifest, _fill_postgres(archive))
            _move_state(unpacked)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    call_command("migrate", interactive=False, verbosity=0)
    return Restored(manifest=manifest, loaded=_load_journal(), unreadable=unreadable_values())


def _require_nothing_there() -> None:
    here = [settings.JOURNAL_DIR, files_directory()]
    if connection.vendor == "sqlite":
        here.append(_database_path())
    elif not postgres_is_empty():
        raise CannotRestore("the database has tables: make a new one, and name it in DATABASE_URL")
    for place in here:
        if place is not None and (place.is_file() or (place.is_dir() and any(place.iterdir()))):
            raise CannotRestore(
                f"there is a Sluice here already ({place}): name an empty folder in SLUICE_VAR"
            )


def _unpack(archive: ArchiveReader, target: Path) -> None:
    target.mkdir(mode=0o700)
    for name in archive.names:
        if not name.startswith(f"{TABLE_MEMBERS}/"):
            archive.unpack(name, target / name)


def _require_rows(manifest: Manifest, rows: dict[str, int]) -> None:
    for table, count in manifest.rows.items():
        if rows.get(table) != count:
            raise CannotCopy(f"{table} has {rows.get(table)} rows instead of {count}")


def _fill_postgres(archive: ArchiveReader) -> dict[str, int]:
    manifest = archive.manifest
    with ExitStack() as stack:
        members = {
            table: stack.enter_context(archive.open(f"{TABLE_MEMBERS}/{table}.copy"))
            for table in manifest.columns
        }
        return restore_postgres(members, migrations=manifest.migrations, columns=manifest.columns)


def _move_state(unpacked: Path) -> None:
    var: Path = settings.VAR_DIR
    _move(unpacked / LAST_HEAD_FILE, var / LAST_HEAD_FILE)
    _move_directory(unpacked / JOURNAL, settings.JOURNAL_DIR)
    files = files_directory()
    if files is not None:
        _move_directory(unpacked / FILES, files)
    if settings.EMBEDDED:
        # The keys that an empty folder got when this command began have sealed nothing.
        for path in _children(unpacked / KEYS):
            _move(path, var / path.name)


def _move_directory(source: Path, target: Path) -> None:
    if source.is_dir():
        with suppress(FileNotFoundError):
            target.rmdir()  # empty: that was looked at
        source.rename(target)


def _move(source: Path, target: Path) -> None:
    if source.exists():
        source.replace(target)


def _children(directory: Path) -> Iterable[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else ()


def _database_path() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def _load_journal() -> int:
    """What was decided before the backup and not stored yet: its writers are gone by now."""
    directory: Path = settings.JOURNAL_DIR
    if not directory.is_dir():
        return 0
    loader = Loader(directory)
    if not loader.lease.acquire():
        raise CannotRestore("another process loads the journal: is a Sluice running here?")
    try:
        return loader.load()
    finally:
        loader.lease.release()
