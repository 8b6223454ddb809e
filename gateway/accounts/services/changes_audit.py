"""Who changed what, and when: the events of the control plane, for whoever may read them."""

from collections.abc import Iterator
from dataclasses import replace

from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.services.evidence import only_audited
from gateway.audit.event_search import EventPage, EventSearch, found_events, search_events
from gateway.audit.event_types import EventType
from gateway.audit.export import ExportFormat, ExportKind, event_lines
from gateway.audit.services import Detail, record_event


def search_changes(
    *, by: Acting, wanted: EventSearch, after: str = "", limit: int = 50
) -> EventPage:
    """A page of the events that `by` may see.

    Auditors and admins of the organisation see all when no project is named, others those of the
    projects that they own or audit. Raises PermissionDenied for a project of others, NoSuchPage.
    The first page is an event; it names the conditions, not their values.
    """
    wanted = _allowed(by, wanted)
    page = search_events(wanted, after=after, limit=limit)
    if not after:
        _record(by, EventType.AUDIT_SEARCHED, "events", wanted, {"question": "events"})
    return page


def export_changes(*, by: Acting, wanted: EventSearch, format: ExportFormat) -> Iterator[str]:
    """All events that `search_changes` finds, newest first, a line each. Streams. An event.

    Raises PermissionDenied.
    """
    wanted = _allowed(by, wanted)
    kind = ExportKind.EVENTS.value
    details: dict[str, Detail] = {"format": format.value, "kind": kind}
    _record(by, EventType.AUDIT_EXPORTED, kind, wanted, details)
    return event_lines(found_events(wanted), format=format)


def _allowed(by: Acting, wanted: EventSearch) -> EventSearch:
    return replace(wanted, projects=only_audited(by, wanted.projects))


def _record(
    by: Acting,
    type: EventType,
    object_id: str,
    wanted: EventSearch,
    details: dict[str, Detail],
) -> None:
    project = wanted.projects[0] if len(wanted.projects) == 1 else ""
    given: dict[str, Detail] = {
        "project": project,
        "since": wanted.since.isoformat() if wanted.since else None,
        "until": wanted.until.isoformat() if wanted.until else None,
        "conditions": wanted.named(),
    }
    record_event(
        actor=actor_name(by),
        type=type,
        object_type="audit",
        object_id=object_id,
        project=project,
        details=given | details,
    )
