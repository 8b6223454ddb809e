"""Files on their way in, and what a project may store.

INVARIANT: text is encrypted before it touches a disk, and nobody sees a file before it is whole.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils import timezone

from gateway.accounts.limits import Limits, limits_of
from gateway.accounts.models import Project
from gateway.audit.event_types import EventType
from gateway.files import blobs
from gateway.files.encrypted import EncryptedWriter, seal
from gateway.files.keys import project_key
from gateway.files.models import (
    FileState,
    ProjectKey,
    Purpose,
    StoredFile,
    new_file_id,
)
from gateway.files.rows import record, remove
from gateway.files.services import declared_words
from gateway.protocol.errors import InvalidRequest, RequestTooLarge
from policies.engine.labels import Label

MAX_NAME_CHARS = 255
BATCH_FILES_LIVE = timedelta(days=30)  # as OpenAI keeps them
LEAST_LIFE_S, LONGEST_LIFE_S = 3600, 30 * 24 * 3600


class Upload:
    """One file on its way in: `write` its text, then `finish`; `discard` on every other path.

    Constant memory. Does I/O and CPU work: not on an event loop. `unlimited` is for what the
    project has paid for already: results are stored whatever the limits say.
    """

    def __init__(self, *, project: Project, actor: str, unlimited: bool = False) -> None:
        self.project = project
        self._unlimited = unlimited
        self.actor = actor
        self.limits = limits_of(project)
        self.file_id = new_file_id()
        self._key = project_key(project)
        self._path = blobs.incoming_path(self.file_id)
        self._sink = self._path.open("wb")
        self._writer = EncryptedWriter(self._sink, key=self._key, file_id=self.file_id)

    @property
    def size_bytes(self) -> int:
        """Bytes of text so far."""
        return self._writer.size_bytes

    def write(self, data: bytes) -> None:
        """Take more text. Raises RequestTooLarge beyond the project's limit for one file."""
        if not self._unlimited and self.size_bytes + len(data) > self.limits.file_bytes:
            raise RequestTooLarge(
                f"A file of this project may have at most {self.limits.file_bytes} bytes."
            )
        self._writer.write(data)

    def finish(
        self,
        *,
        name: str,
        purpose: Purpose,
        declared: str = "",
        label: Label | None = None,
        expires_after_s: int | None = None,
    ) -> StoredFile:
        """The stored file, ready. Raises InvalidRequest when the project's store is full."""
        row = self.store(
            name=name,
            purpose=purpose,
            declared=declared,
            label=label,
            expires_after_s=expires_after_s,
        )
        try:
            with transaction.atomic():
                publish(row)
        except BaseException:
            remove(row)
            raise
        return row

    def store(
        self,
        *,
        name: str,
        purpose: Purpose,
        declared: str = "",
        label: Label | None = None,
        expires_after_s: int | None = None,
    ) -> StoredFile:
        """The stored file, which nobody sees before `publish`; a sweep removes it after an hour.

        Raises InvalidRequest when the project's store is full.
        """
        self._writer.finish()
        self._sink.close()
        now = timezone.now()
        row = StoredFile(
            id=self.file_id,
            project=self.project,
            created_by=self.actor,
            purpose=purpose,
            sealed_name=seal(
                self._key, name[:MAX_NAME_CHARS].encode(errors="replace"), context=self.file_id
            ),
            bytes=self.size_bytes,
            storage_name=f"{self.project.pk}/{self.file_id}",
            declared=declared,
            sensitivity=label.sensitivity.word if label else "",
            categories=sorted(label.categories) if label else [],
            created_at=now,
            expires_at=_expiry(now, purpose, expires_after_s, self.limits),
        )
        with transaction.atomic():
            self._require_room()
            row.save(force_insert=True)
        try:
            blobs.hand_over(self._path, row.storage_name)
        except BaseException:
            remove(row)
            raise
        return row

    def discard(self) -> None:
        """Leave nothing behind. Harmless after `finish`."""
        with suppress(OSError):  # a disk that is full takes the last bytes neither: they go anyway
            self._sink.close()
        self._path.unlink(missing_ok=True)

    def _require_room(self) -> None:
        if self._unlimited:
            return
        if connection.features.has_select_for_update:
            # Uploads of one project take turns, or two would fit where one does.
            ProjectKey.objects.select_for_update().get(project=self.project)
        used = StoredFile.objects.filter(project=self.project).aggregate(
            files=Count("pk"), bytes=Sum("bytes")
        )
        if used["files"] >= self.limits.stored_files:
            raise InvalidRequest(
                f"This project stores {used['files']} files, which is its limit. Delete some.",
                code="storage_full",
            )
        if (used["bytes"] or 0) + self.size_bytes > self.limits.stored_bytes:
            raise InvalidRequest(
                f"This project may store {self.limits.stored_bytes} bytes, and with this file it "
                "would be more. Delete some.",
                code="storage_full",
            )


def publish(row: StoredFile) -> None:
    """Let a stored file be seen, in the transaction of what it belongs to."""
    row.state = FileState.READY
    row.save(update_fields=["state"])
    record(
        EventType.FILE_CREATED,
        row,
        row.created_by,
        purpose=row.purpose,
        bytes=row.bytes,
        declared=declared_words(row.declared),
    )


def require_lifetime(seconds: int, param: str) -> None:
    """Raises InvalidRequest unless OpenAI would take it: from one hour to thirty days."""
    if not LEAST_LIFE_S <= seconds <= LONGEST_LIFE_S:
        raise InvalidRequest(
            f"`seconds` must be from {LEAST_LIFE_S} to {LONGEST_LIFE_S}.", param=param
        )


def _expiry(
    now: datetime, purpose: Purpose, after_s: int | None, limits: Limits
) -> datetime | None:
    ends = []
    if after_s is not None:
        ends.append(now + timedelta(seconds=after_s))
    elif purpose in {Purpose.BATCH, Purpose.BATCH_OUTPUT}:
        ends.append(now + BATCH_FILES_LIVE)
    if limits.retention_days is not None:
        ends.append(now + timedelta(days=limits.retention_days))
    return min(ends, default=None)
