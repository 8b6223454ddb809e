"""`/api/usage`: tokens and cost, for programs and pages.

Who may see what is decided by `gateway.usage.services.reports`; a key reaches its own project
alone.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.http import Http404, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.accounts.access import NoSuchProject
from gateway.accounts.models import APIKey
from gateway.admin_api.views import person_of
from gateway.usage.services.reports import (
    By,
    Line,
    Question,
    exported,
    receipt_of,
    report,
)

_DAYS = 30


def only_project(request: Request, slug: str) -> str:
    """The project that is asked for; a key's own, which is the only one it reaches."""
    if isinstance(request.auth, APIKey):
        own = request.auth.project.slug
        if slug and slug != own:
            raise NoSuchProject("No such project.")
        return own
    return slug


class UsageQuestion(serializers.Serializer[Any]):
    """What `GET /api/usage` takes. Days are UTC, both included; the last 30 unless stated."""

    first = serializers.DateField(required=False)
    last = serializers.DateField(required=False)
    by = serializers.CharField(required=False, default=By.DAY.value, max_length=100)
    project = serializers.CharField(required=False, default="", max_length=63)
    person = serializers.CharField(required=False, default="", max_length=100)
    key = serializers.CharField(required=False, default="", max_length=24)
    model = serializers.CharField(required=False, default="", max_length=100)
    deployment = serializers.CharField(required=False, default="", max_length=63)
    zone = serializers.CharField(required=False, default="", max_length=13)

    def validate_by(self, value: str) -> tuple[By, ...]:
        """Words that usage can be summed by, with commas between them."""
        words = [word for word in value.replace(",", " ").split() if word]
        try:
            return tuple(dict.fromkeys(By(word) for word in words))
        except ValueError:
            known = ", ".join(each.value for each in By)
            raise serializers.ValidationError(f"Use some of {known}.") from None


def _question(request: Request) -> Question:
    asked = UsageQuestion(data=request.query_params)
    asked.is_valid(raise_exception=True)
    given = asked.validated_data
    last: date = given.get("last") or timezone.now().date()
    first: date = given.get("first") or last - timedelta(days=_DAYS - 1)
    return Question(
        first=first,
        last=last,
        by=given["by"],
        project=only_project(request, given["project"]),
        person=given["person"],
        key=given["key"],
        model=given["model"],
        deployment=given["deployment"],
        zone=given["zone"],
    )


class Usage(APIView):
    """`GET /api/usage`: tokens and cost, summed."""

    @extend_schema(
        parameters=[UsageQuestion], responses=OpenApiTypes.OBJECT, operation_id="get_usage"
    )
    def get(self, request: Request) -> Response:
        """One line for each combination of what is summed by."""
        question = _question(request)
        lines = report(person_of(request), question)
        return Response(
            {
                "first": question.first,
                "last": question.last,
                "by": [each.value for each in question.by],
                "lines": [_line(question, line) for line in lines],
            }
        )


class UsageFile(APIView):
    """`GET /api/usage.csv`: the same as a file."""

    @extend_schema(parameters=[UsageQuestion], responses={(200, "text/csv"): str})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Comma-separated, with a header."""
        question = _question(request)
        lines = exported(person_of(request), question)
        name = f"usage-{question.first}-{question.last}.csv"
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class UsageOfRequest(APIView):
    """`GET /api/usage/{decision}`: what one request used and cost."""

    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="get_usage_of_request")
    def get(self, request: Request, decision: str) -> Response:
        """Its record; 404 for one that is not theirs to see."""
        record = receipt_of(person_of(request), decision)
        if record is None or only_project(request, record.project) != record.project:
            raise Http404
        return Response(
            {
                "decision": record.decision_id,
                "at": record.at,
                "project": record.project,
                "person": record.person,
                "key": record.key_prefix,
                "model": record.alias,
                "deployment": record.deployment,
                "zone": record.zone,
                "prompt_tokens": record.prompt_tokens,
                "completion_tokens": record.completion_tokens,
                "cached_tokens": record.cached_tokens,
                "cost_usd": amount(record.cost_usd),
                "estimated": record.estimated,
            }
        )


def _line(question: Question, line: Line) -> dict[str, Any]:
    names = {each.value: name for each, name in zip(question.by, line.names, strict=True)}
    return names | {
        "requests": line.requests,
        "prompt_tokens": line.prompt_tokens,
        "completion_tokens": line.completion_tokens,
        "cached_tokens": line.cached_tokens,
        "cost_usd": amount(line.cost_usd),
        "estimated_requests": line.estimated,
        "unpriced_requests": line.unpriced,
    }


def amount(value: Decimal | None) -> str | None:
    """Money is text in JSON: a number there is a float to most readers."""
    return None if value is None else format(value.normalize(), "f")
