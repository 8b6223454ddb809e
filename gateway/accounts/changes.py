"""One call for every change of the control plane: its audit event and the version that it moves.

INVARIANT: whatever a snapshot reads changes only together with a call of `record_change`, in the
same transaction. So a reader that finds the same version before and after reading saw one state.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import transaction
from django.db.models import F

from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.models import ControlVersion
from gateway.audit.event_types import EventType
from gateway.audit.services import Detail, record_event


@contextmanager
def changing() -> Iterator[None]:
    """A transaction for one change of the control plane. Changes wait for each other.

    The version's row is locked first, so that what a service checks (a name is free, another
    admin exists) is still true when it writes, and no two changes wait for each other's rows.
    """
    with transaction.atomic():
        if transaction.get_connection().features.has_select_for_update:
            ControlVersion.objects.get_or_create(pk=1)
            ControlVersion.objects.select_for_update().get(pk=1)
        # SQLite has one writer at a time, and its transactions begin as one (settings).
        yield


def record_change(
    by: Acting,
    type: EventType,
    object_type: str,
    object_id: object,
    *,
    project: str = "",
    **details: Detail,
) -> None:
    """Write the event of a change and move the control version. Call it after the change.

    Both rows stay locked until the transaction ends, so changes are serialised.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("record_change must be called inside the transaction of the change")
    bump_version()
    record_event(
        actor=actor_name(by),
        type=type,
        object_type=object_type,
        object_id=str(object_id),
        details=shortened(details),
        project=project,
    )


def shortened(details: Mapping[str, Detail]) -> dict[str, Detail]:
    """Details that fit: the audit takes at most 500 characters of a text."""
    limit = 480
    return {
        name: value[:limit] + "…" if isinstance(value, str) and len(value) > limit else value
        for name, value in details.items()
    }


def bump_version() -> None:
    """Move the control version within the caller's transaction."""
    if not ControlVersion.objects.filter(pk=1).update(version=F("version") + 1):
        ControlVersion.objects.get_or_create(pk=1, defaults={"version": 0})
        ControlVersion.objects.filter(pk=1).update(version=F("version") + 1)


def control_version() -> int:
    """The version now; 0 when nothing was ever changed. One query."""
    return ControlVersion.objects.filter(pk=1).values_list("version", flat=True).first() or 0
