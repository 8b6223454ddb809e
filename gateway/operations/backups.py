"""Makes a backup of everything while Sluice runs: one file that restores to one moment.

INVARIANT: what a member refers to is copied so that it is there. The newest head and the journal
before the database (the loader removes a segment once its records are stored, so a record is in
one of the two), files before and after it (they never change, and a row appears after its file).
"""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives import serialization
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection

from gateway.audit.sealing import LAST_HEAD_FILE
from gateway.audit.signing import signing_key
from gateway.key_encryption import keys_text
from gateway.operations.archive import FORMAT, MANIFEST, ArchiveWriter, Manifest, reading, writing
from gateway.operations.database_copies import copy_out

JOURNAL: Final = "journal"
FILES: Final = "files"
KEYS: Final = "keys"
FIRST_RUN: Final = "first-run.json"
_encode = msgspec.json.Encoder().encode


def make_backup(target: Path, *, with_keys: bool = True, database_only: bool = False) -> Manifest:
    """Write a backup to `target`, read it again and hold it against itself.

    Raises CannotCopy, BadArchive, DatabaseError, OSError (FileExistsError: it is never
    overwritten); then there is no file.
    """
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as place,
        writing(target) as archive,
    ):
        files: set[str] = set()
        if not database_only:
            _add_head(archive)
            _add_journal(archive)
            _add_files(archive, files)
        engine = connection.vendor
        copied = copy_out(engine, Path(place))
        for name, path in copied.members.items():
            archive.add_file(name, path)
        if not database_only:
            _add_files(archive, files)
        if with_keys:
            _add_keys(archive)
        manifest = Manifest(
            format=FORMAT,
            made_at=made_at,
            engine=engine,
            migrations=copied.migrations,
            rows=copied.rows,
            columns=copied.columns,
            files=len(files),
            with_keys=with_keys,
            digests=dict(archive.digests),
        )
        archive.add_bytes(MANIFEST, _encode(manifest))
    with reading(target) as made:
        return made.manifest


def files_directory() -> Path | None:
    """Where stored files lie; None: in a bucket, which has backups of its own."""
    if settings.FILES_BUCKET:
        return None
    return Path(storages["files"].path(""))


def _add_head(archive: ArchiveWriter) -> None:
    head = settings.VAR_DIR / LAST_HEAD_FILE
    if head.exists():
        archive.add_file(LAST_HEAD_FILE, head)


def _add_journal(archive: ArchiveWriter) -> None:
    """Every segment up to its last complete record, and the directory's name for itself."""
    directory: Path = settings.JOURNAL_DIR
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.suffix not in {".jsonl", ".broken", ".id"}:
            continue
        try:
            content = path.read_bytes()  # 16 MiB at most
        except FileNotFoundError:
            continue  # loaded meanwhile: its records are in the database
        if path.suffix == ".jsonl":
            content = content[: content.rfind(b"\n") + 1]
        archive.add_bytes(f"{JOURNAL}/{path.name}", content)


def _add_files(archive: ArchiveWriter, known: set[str]) -> None:
    directory = files_directory()
    if directory is None or not directory.is_dir():
        return
    for path in _every_file(directory):
        name = path.relative_to(directory).as_posix()
        if name in known:
            continue
        try:
            archive.add_file(f"{FILES}/{name}", path)
        except FileNotFoundError:
            continue  # deleted meanwhile
        known.add(name)


def _every_file(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield path


def _add_keys(archive: ArchiveWriter) -> None:
    archive.add_bytes(f"{KEYS}/kek.key", keys_text().encode())
    secret_keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    archive.add_bytes(f"{KEYS}/secret.key", "\n".join(secret_keys).encode())
    audit_key = settings.AUDIT_KEY_FILE
    if audit_key.exists():
        pem = signing_key(audit_key).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        archive.add_bytes(f"{KEYS}/audit.key", pem)
    old = audit_key.with_suffix(".old.pem")
    if old.exists():
        archive.add_file(f"{KEYS}/audit.old.pem", old)
    first_run = settings.VAR_DIR / FIRST_RUN
    if first_run.exists():
        archive.add_file(f"{KEYS}/{FIRST_RUN}", first_run)
