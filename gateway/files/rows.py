"""What every change of a stored file ends with: its event, or its end."""

from gateway.audit.event_types import EventType
from gateway.audit.services import Detail, record_event
from gateway.files import blobs
from gateway.files.models import StoredFile


def remove(row: StoredFile) -> None:
    """Delete the bytes, then the row. Harmless the second time."""
    blobs.delete_blob(row.storage_name)
    StoredFile.objects.filter(pk=row.pk).delete()


def record(type: EventType, row: StoredFile, actor: str, **details: Detail) -> None:
    """Write an event about a file, in the transaction of what it tells of."""
    # Not `record_change`: no snapshot reads files, and each upload would have all rebuilt.
    record_event(
        actor=actor,
        type=type,
        object_type="file",
        object_id=row.pk,
        project=row.project.slug,
        details=details,
    )
