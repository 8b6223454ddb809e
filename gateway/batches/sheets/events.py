"""Writing an event about a sheet, in the transaction of what it tells of."""

from gateway.audit.event_types import EventType
from gateway.audit.services import Detail, record_event
from gateway.batches.sheets.models import Sheet

SYSTEM = "system:batches"


def record(type: EventType, sheet: Sheet, actor: str, **details: Detail) -> None:
    """Write it. Not `record_change`: no snapshot reads sheets."""
    record_event(
        actor=actor,
        type=type,
        object_type="sheet",
        object_id=sheet.pk,
        project=sheet.project.slug,
        details=details,
    )
