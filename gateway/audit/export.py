"""Audit records as JSON Lines or CSV, one row at a time.

A JSON line carries each record's text byte for byte as it was hashed (`decision`, `outcome`,
`event`) and its place in the chain, so that the export alone suffices to recompute every hash.
CSV carries the searchable columns, for spreadsheets.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import attrgetter, itemgetter
from typing import Any, Final

import msgspec
from django.db.models import QuerySet

from gateway.audit.chain import CONTROL_WRITER
from gateway.audit.columns import DECISION_COLUMNS, OUTCOME_COLUMNS
from gateway.audit.models import AuditEvent, RequestRecord
from gateway.audit.pages import in_pages
from gateway.audit.search import MOST_ROWS, Search, search

_REQUEST_COLUMNS: Final = (
    "decision_id",
    *DECISION_COLUMNS,
    "outcome_state",
    *OUTCOME_COLUMNS,
    "writer_id",
    "seq",
    "hash",
    "outcome_seq",
    "outcome_hash",
)
_EVENT_COLUMNS: Final = (
    *("seq", "at", "actor", "type", "project", "object_type", "object_id", "details"),
    *("prev_hash", "hash"),
)
_encode = msgspec.json.Encoder().encode


class ExportKind(StrEnum):
    """Which table."""

    REQUESTS = "requests"
    EVENTS = "events"


class ExportFormat(StrEnum):
    """How it is written."""

    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows: `since` inclusive, `until` exclusive, of one project or (empty) of all. Of events
    also: by whom, of which types, about what (each empty: of any)."""

    kind: ExportKind = ExportKind.REQUESTS
    since: datetime | None = None
    until: datetime | None = None
    project: str = ""
    actor: str = ""
    types: tuple[str, ...] = ()
    object_type: str = ""
    object_id: str = ""

    def named(self) -> list[str]:
        """Which conditions were given beside times and project: their names."""
        return [
            name for name in ("actor", "types", "object_type", "object_id") if getattr(self, name)
        ]


def export(selection: Selection, *, format: ExportFormat) -> Iterator[str]:
    """The selected rows in the order they came in, a line each. Streams: memory stays flat."""
    if selection.kind is ExportKind.REQUESTS:
        requests = _selected(RequestRecord.objects.all(), selection)
        if format is ExportFormat.CSV:
            return _csv(requests, _REQUEST_COLUMNS)
        return map(_request_line, in_pages(requests, by="pk", key=attrgetter("pk")))
    events = _of_events(_selected(AuditEvent.objects.all(), selection), selection)
    if format is ExportFormat.CSV:
        return _csv(events, _EVENT_COLUMNS)
    return map(_event_line, in_pages(events, by="pk", key=attrgetter("pk")))


def export_found(wanted: Search, *, format: ExportFormat) -> Iterator[str]:
    """The requests that meet all conditions, newest first, a line each. Streams."""
    if format is ExportFormat.JSONL:
        return map(_request_line, _found(wanted))
    values = attrgetter(*_REQUEST_COLUMNS)
    return _csv_lines(_REQUEST_COLUMNS, (values(row) for row in _found(wanted)))


def _found(wanted: Search) -> Iterator[RequestRecord]:
    page = search(wanted, limit=MOST_ROWS)
    yield from page.rows
    while page.next:
        page = search(wanted, after=page.next, limit=MOST_ROWS)
        yield from page.rows


def _selected(rows: QuerySet[Any], selection: Selection) -> QuerySet[Any]:
    if selection.since:
        rows = rows.filter(at__gte=selection.since)
    if selection.until:
        rows = rows.filter(at__lt=selection.until)
    if selection.project:
        rows = rows.filter(project=selection.project)
    return rows


def _of_events(rows: QuerySet[AuditEvent], selection: Selection) -> QuerySet[AuditEvent]:
    given = {name: getattr(selection, name) for name in selection.named() if name != "types"}
    rows = rows.filter(**given)
    return rows.filter(type__in=selection.types) if selection.types else rows


def _request_line(row: RequestRecord) -> str:
    tree: dict[str, object] = {"kind": "request", "writer": row.writer_id}
    if row.record:
        tree |= {
            "seq": row.seq,
            "prev": row.prev_hash,
            "hash": row.hash,
            "decision": msgspec.Raw(row.record.encode()),
        }
    tree["outcome_state"] = row.outcome_state
    if row.outcome_record:
        tree |= {
            "outcome_seq": row.outcome_seq,
            "outcome_prev": row.outcome_prev_hash,
            "outcome_hash": row.outcome_hash,
            "outcome": msgspec.Raw(row.outcome_record.encode()),
        }
    return _encode(tree).decode() + "\n"


def _event_line(row: AuditEvent) -> str:
    tree = {
        "kind": "event",
        "writer": CONTROL_WRITER,
        "seq": row.seq,
        "prev": row.prev_hash,
        "hash": row.hash,
        "event": msgspec.Raw(row.body.encode()),
    }
    return _encode(tree).decode() + "\n"


def event_lines(events: Iterable[AuditEvent], *, format: ExportFormat) -> Iterator[str]:
    """These events in their order, a line each. Streams."""
    if format is ExportFormat.JSONL:
        return map(_event_line, events)
    values = attrgetter(*_EVENT_COLUMNS)
    return _csv_lines(_EVENT_COLUMNS, (values(event) for event in events))


def _csv(rows: QuerySet[Any], names: tuple[str, ...]) -> Iterator[str]:
    pages = in_pages(rows.values_list("pk", *names), by="pk", key=itemgetter(0))
    return _csv_lines(names, (values[1:] for values in pages))


def _csv_lines(names: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def line(values: tuple[object, ...]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([_cell(value) for value in values])
        return buffer.getvalue()

    yield line(names)
    for values in rows:
        yield line(values)


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: some of it comes from clients."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        return _encode(value).decode()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return str(value)
