"""How a batch ends: final status, event and letting go of its input, in one transaction."""

from datetime import datetime

from gateway.audit.event_types import EventType
from gateway.audit.services import Detail, record_event
from gateway.batches.models import Batch, Status
from gateway.files.services import let_go

SYSTEM = "system:batches"


def record(type: EventType, batch: Batch, actor: str, **details: Detail) -> None:
    """Write an event about a batch, in the transaction of what it tells of."""
    # Not `record_change`: no snapshot reads batches, and each would have all rebuilt.
    record_event(
        actor=actor,
        type=type,
        object_type="batch",
        object_id=batch.pk,
        project=batch.project.slug,
        details=details,
    )


def end(batch: Batch, status: Status, *, now: datetime, **changes: object) -> None:
    """Give a batch its final status. The caller holds its claim and the transaction."""
    values = {
        "status": status,
        f"{status.value}_at": now,
        "driver": "",
        "driver_until": None,
        **changes,
    }
    Batch.objects.filter(pk=batch.pk).update(**values)
    batch.refresh_from_db()
    let_go(batch.input_file_id)
    record(
        EventType.BATCH_FINISHED,
        batch,
        SYSTEM,
        status=batch.status,
        total=batch.total,
        completed=batch.completed,
        failed=batch.failed,
        sensitivity=batch.sensitivity,
        categories=list(batch.categories),
        output_file=batch.output_file_id,
        error_file=batch.error_file_id,
    )
