"""`/api/audit/events`: who changed what, and when.

Who may see what is decided by `gateway.accounts.services.changes_audit`; a key reaches its own
project alone.
"""

from typing import Any

from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.accounts.services.changes_audit import export_changes, search_changes
from gateway.admin_api.usage_views import only_project
from gateway.admin_api.views import person_of
from gateway.audit.event_search import EventSearch
from gateway.audit.event_types import EventType
from gateway.audit.export import ExportFormat
from gateway.audit.models import AuditEvent
from gateway.audit.search import MOST_ROWS, NoSuchPage

_CONTENT_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSONL: "application/jsonl; charset=utf-8",
}


class EventsQuestion(serializers.Serializer[Any]):
    """What `GET /api/audit/events` takes. Times with their zone; `since` inclusive, `until` not."""

    project = serializers.CharField(required=False, default="", max_length=63)
    actor = serializers.CharField(required=False, default="", max_length=200)
    type = serializers.CharField(required=False, default="", max_length=1000)
    object_type = serializers.CharField(required=False, default="", max_length=64)
    object_id = serializers.CharField(required=False, default="", max_length=200)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)

    def validate_type(self, value: str) -> tuple[str, ...]:
        """Types of events, with commas between them."""
        words = [word for word in value.replace(",", " ").split() if word]
        unknown = sorted(set(words) - {each.value for each in EventType})
        if unknown:
            raise serializers.ValidationError(f"There is no type {unknown[0]!r}.")
        return tuple(dict.fromkeys(words))


class PageQuestion(EventsQuestion):
    """The same, a page at a time. `after`: the `next` of the page before."""

    after = serializers.CharField(required=False, default="", max_length=40)
    limit = serializers.IntegerField(required=False, default=50, min_value=1, max_value=MOST_ROWS)


def _wanted(request: Request, given: dict[str, Any]) -> EventSearch:
    project = only_project(request, given["project"])
    return EventSearch(
        projects=(project,) if project else (),
        actor=given["actor"],
        types=given["type"],
        object_type=given["object_type"],
        object_id=given["object_id"],
        since=given.get("since"),
        until=given.get("until"),
    )


class AuditEvents(APIView):
    """`GET /api/audit/events`: a page of changes, newest first."""

    @extend_schema(
        parameters=[PageQuestion], responses=OpenApiTypes.OBJECT, operation_id="get_audit_events"
    )
    def get(self, request: Request) -> Response:
        """`events`, and in `next` what asks for the page after; empty at the end."""
        asked = PageQuestion(data=request.query_params)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        wanted = _wanted(request, given)
        try:
            page = search_changes(
                by=person_of(request), wanted=wanted, after=given["after"], limit=given["limit"]
            )
        except NoSuchPage as error:
            raise serializers.ValidationError({"after": [str(error)]}) from None
        return Response({"events": [_told(row) for row in page.rows], "next": page.next})


class AuditEventsFile(APIView):
    """`GET /api/audit/events.csv` and `.jsonl`: all of them as a file."""

    @extend_schema(
        parameters=[EventsQuestion],
        responses={(200, "text/csv"): str, (200, "application/jsonl"): str},
    )
    def get(self, request: Request, suffix: str) -> StreamingHttpResponse:
        """A JSON line holds the event as it was hashed, and its place in the chain."""
        if suffix not in set(ExportFormat):
            raise Http404
        asked = EventsQuestion(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = _wanted(request, asked.validated_data)
        kind = ExportFormat(suffix)
        return StreamingHttpResponse(
            export_changes(by=person_of(request), wanted=wanted, format=kind),
            content_type=_CONTENT_TYPES[kind],
            headers={"Content-Disposition": f'attachment; filename="events.{kind.value}"'},
        )


def _told(row: AuditEvent) -> dict[str, object]:
    return {
        "at": row.at,
        "seq": row.seq,
        "type": row.type,
        "actor": row.actor,
        "project": row.project,
        "object_type": row.object_type,
        "object_id": row.object_id,
        "details": row.details,
    }
