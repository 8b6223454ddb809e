"""Storing, listing, reading and deleting a project's files.

INVARIANTS
- Text is encrypted before it touches a disk; only cipher text reaches the storage.
- A file that anybody can see is complete, and one that was deleted is gone: the row is marked in
  the transaction of the event, then the bytes go, then the row. What was interrupted in between is
  finished by `sweep`.
- What belongs to another project looks like what does not exist (NotFound).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from gateway.accounts.models import Project
from gateway.audit.event_types import EventType
from gateway.audit.holds import Holds, lasting, refuse_held
from gateway.files import blobs
from gateway.files.encrypted import EncryptedReader, unseal
from gateway.files.keys import project_key
from gateway.files.models import (
    FileState,
    StoredFile,
)
from gateway.files.rows import record, remove
from gateway.inference.contracts import Principal
from gateway.protocol.errors import FileInUse, NotFound
from policies.engine.labels import Label, Sensitivity

ABANDONED_AFTER = timedelta(hours=1)
RETENTION = "system:retention"
ERASURE = "system:privacy"


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list, and whether more follow."""

    files: tuple[StoredFile, ...]
    has_more: bool


def project_of(principal: Principal) -> Project:
    """The principal's project. Raises NotFound for one that was archived meanwhile. One query."""
    project = Project.objects.filter(slug=principal.project, archived=False).first()
    if project is None:
        raise NotFound("There is no such project.")
    return project


def _visible(project: Project) -> QuerySet[StoredFile]:
    alive = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return StoredFile.objects.filter(alive, project=project, state=FileState.READY)


def get_file(principal: Principal, file_id: str) -> StoredFile:
    """A file of the principal's project. Raises NotFound. Two queries."""
    found = _visible(project_of(principal)).filter(pk=file_id).select_related("project").first()
    if found is None:
        raise _no_such(file_id)
    return found


def list_files(
    principal: Principal,
    *,
    limit: int,
    after: str = "",
    newest_first: bool = True,
    purpose: str = "",
) -> Page:
    """Files by age, those behind the file `after`. `limit` is at least 1. Raises NotFound for an
    unknown `after`."""
    project = project_of(principal)
    rows = _visible(project)
    if purpose:
        rows = rows.filter(purpose=purpose)
    if after:
        last = StoredFile.objects.filter(project=project, pk=after).first()
        if last is None:
            raise _no_such(after)
        rows = rows.filter(behind(last.created_at, last.pk, newest_first=newest_first))
    order = ("-created_at", "-id") if newest_first else ("created_at", "id")
    found = tuple(rows.order_by(*order).select_related("project")[: limit + 1])
    return Page(found[:limit], len(found) > limit)


def behind(created_at: datetime, pk: str, *, newest_first: bool) -> Q:
    """The condition for what follows an object in a list by age."""
    if newest_first:
        return Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=pk)
    return Q(created_at__gt=created_at) | Q(created_at=created_at, id__gt=pk)


def name_of(row: StoredFile) -> str:
    """The file's name in clear. One query for the key."""
    return names_of([row])[row.pk]


def names_of(rows: list[StoredFile]) -> dict[str, str]:
    """The names of files of one project, by id. One query for the key."""
    if not rows:
        return {}
    key = project_key(rows[0].project)
    return {row.pk: unseal(key, bytes(row.sealed_name), context=row.pk).decode() for row in rows}


@contextmanager
def reading(row: StoredFile) -> Iterator[EncryptedReader]:
    """The file's text. Raises OSError, Unreadable. Nothing is recorded: for our own use."""
    with blobs.open_blob(row.storage_name) as source:
        yield EncryptedReader(
            source, key=project_key(row.project), file_id=row.pk, size_bytes=row.bytes
        )


def record_download(principal: Principal, row: StoredFile) -> None:
    """Write the event of a download. INVARIANT: before the first byte of the text is sent."""
    record(
        EventType.FILE_DOWNLOADED,
        row,
        principal.actor,
        purpose=row.purpose,
        bytes=row.bytes,
        key=principal.key_prefix,
        sensitivity=row.sensitivity,
        categories=list(row.categories),
    )


def delete_file(principal: Principal, file_id: str) -> None:
    """Delete a file of the principal's project. Raises NotFound, FileInUse, UnderLegalHold."""
    row = get_file(principal, file_id)
    refuse_held(project=row.project.slug, people=[row.created_by])
    if not _delete(row, actor=principal.actor, reason="asked"):
        raise FileInUse("A batch that is not finished reads this file: cancel it first.")


def erase_files(created_by: Iterable[str]) -> int:
    """Delete all files that these actors made, whoever still reads them. Returns how many."""
    rows = StoredFile.objects.filter(created_by__in=list(created_by)).select_related("project")
    gone = 0
    for row in rows.exclude(state=FileState.DELETING):
        with transaction.atomic():
            StoredFile.objects.filter(pk=row.pk).update(state=FileState.DELETING, holds=0)
            record(
                EventType.FILE_DELETED,
                row,
                ERASURE,
                purpose=row.purpose,
                bytes=row.bytes,
                reason="person_erased",
            )
        remove(row)
        gone += 1
    return gone


def abandon(row: StoredFile) -> None:
    """Remove a file that was stored and never published. Harmless for any other."""
    ours = StoredFile.objects.filter(pk=row.pk, state=FileState.WRITING)
    if ours.update(state=FileState.DELETING):
        remove(row)


def replace(file_id: str, actor: str) -> None:
    """Delete a file that another has taken the place of, with the running transaction. Its readers
    end with it; the bytes go once that is committed. What a legal hold keeps is only seen no
    more, and goes when the hold has ended."""
    row = StoredFile.objects.select_related("project").filter(pk=file_id).first()
    if row is None:
        return
    if _is_under_hold(row):
        StoredFile.objects.filter(pk=file_id).update(expires_at=timezone.now(), holds=0)
        return
    row.state = FileState.DELETING
    row.save(update_fields=["state"])
    record(
        EventType.FILE_DELETED,
        row,
        actor,
        purpose=row.purpose,
        bytes=row.bytes,
        reason="replaced",
    )
    transaction.on_commit(lambda: remove(row))


def discard_file(row: StoredFile, *, actor: str, reason: str) -> bool:
    """Delete a file for the part of Sluice that made it. False: it is read, or gone already, or a
    legal hold keeps it; then it is seen no more, and goes when the hold has ended."""
    if _is_under_hold(row):
        StoredFile.objects.filter(pk=row.pk, holds=0).update(expires_at=timezone.now())
        return False
    return _delete(row, actor=actor, reason=reason)


def hold(row: StoredFile) -> bool:
    """Keep a file from being deleted. False: it is gone. Call it in the holder's transaction."""
    held = StoredFile.objects.filter(pk=row.pk, state=FileState.READY)
    return held.update(holds=F("holds") + 1) == 1


def let_go(file_id: str) -> None:
    """Undo `hold`. Call it in the holder's transaction."""
    StoredFile.objects.filter(pk=file_id, holds__gt=0).update(holds=F("holds") - 1)


def set_label(file_id: str, label: Label) -> None:
    """Store what is known of the file's text by now."""
    StoredFile.objects.filter(pk=file_id).update(
        sensitivity=label.sensitivity.word, categories=sorted(label.categories)
    )


def declared_together(*said: str) -> str:
    """What is declared here or there: each word of normalised declarations once."""
    return ", ".join(dict.fromkeys(word for text in said for word in declared_words(text)))


def declared_words(declared: str) -> list[str]:
    """A declaration word by word: as events have it, whose details are short."""
    return [word for piece in declared.split(",") if (word := piece.strip())]


def label_of(row: StoredFile) -> Label | None:
    """The stored label; None when the text was never labelled."""
    if not row.sensitivity:
        return None
    return Label(Sensitivity.from_word(row.sensitivity), frozenset(row.categories))


def sweep(now: datetime) -> int:
    """Delete what has expired by `now`, finish interrupted deletions, remove abandoned uploads.

    What a legal hold keeps stays. Idempotent. Returns how many files went.
    """
    gone = 0
    expired = StoredFile.objects.filter(expires_at__lte=now, state=FileState.READY, holds=0)
    expired = expired.exclude(_kept_by(lasting()))
    for row in expired.select_related("project").iterator():
        gone += _delete(row, actor=RETENTION, reason="expired")
    abandoned = Q(state=FileState.WRITING, created_at__lte=now - ABANDONED_AFTER)
    for row in StoredFile.objects.filter(abandoned | Q(state=FileState.DELETING)).iterator():
        remove(row)
        gone += 1
    folder = blobs.incoming_path("x").parent
    oldest = (now - ABANDONED_AFTER).timestamp()
    for path in folder.iterdir():
        if path.stat().st_mtime <= oldest:
            path.unlink(missing_ok=True)
    return gone


def _is_under_hold(row: StoredFile) -> bool:
    return lasting().reason(project=row.project.slug, people=[row.created_by]) is not None


def _kept_by(holds: Holds) -> Q:
    return Q(project__slug__in=holds.projects) | Q(created_by__in=holds.people)


def _delete(row: StoredFile, *, actor: str, reason: str) -> bool:
    with transaction.atomic():
        marked = StoredFile.objects.filter(pk=row.pk, state=FileState.READY, holds=0).update(
            state=FileState.DELETING
        )
        if not marked:
            return False
        record(
            EventType.FILE_DELETED,
            row,
            actor,
            purpose=row.purpose,
            bytes=row.bytes,
            reason=reason,
        )
    remove(row)
    return True


def _no_such(file_id: str) -> NotFound:
    return NotFound(f"No such file: {file_id[:80]!r}.", param="id")
