"""`/api/projects/{slug}/sheets`: tables, what is done with their rows, and their answers."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from gateway.accounts.access import NoSuchProject, get_project_for
from gateway.accounts.models import APIKey, Project, User
from gateway.accounts.roles import Role
from gateway.admin_api import sheet_answers as answers
from gateway.admin_api.views import person_of
from gateway.batches.services import passed_on_by_rows
from gateway.batches.sheets import runs, services
from gateway.batches.sheets.budgets import budgets_left
from gateway.batches.sheets.delivery import delivered
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.preview import preview
from gateway.batches.sheets.shape import shape
from gateway.batches.sheets.source import of_bytes, of_stored
from gateway.batches.sheets.writing import MEDIA_TYPES
from gateway.files.services import declared_together, get_file, name_of, reading
from gateway.protocol.errors import InvalidRequest, RequestTooLarge
from gateway.snapshot.keys import principal_of_member


class RawParser(BaseParser):
    """A table as the whole body, whatever its type says. Kept in memory: nothing plain is written
    to a disk."""

    media_type = "*/*"

    @override
    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """`{"table": bytes}`. Raises RequestTooLarge."""
        content: bytes = stream.read(settings.MAX_BODY_BYTES + 1)
        if len(content) > settings.MAX_BODY_BYTES:
            raise RequestTooLarge(
                f"A table may be uploaded here up to {settings.MAX_BODY_BYTES} bytes. Store a "
                "larger one with POST /v1/files and name its file_id."
            )
        return {"table": content}


def told(user: User, sheet: Sheet) -> dict[str, Any]:
    """One sheet as `user` reads it: with what is left of their budgets."""
    return shape(sheet) | {"budgets": [each.as_data() for each in budgets_left(user, sheet)]}


class SheetsView(APIView):
    """What all addresses share: the person, who must use the project, and one of its sheets."""

    def project(self, request: Request, slug: str) -> tuple[User, Project]:
        """Raises NoSuchProject, PermissionDenied."""
        user = person_of(request)
        if isinstance(request.auth, APIKey) and request.auth.project.slug != slug:
            raise NoSuchProject("No such project.")
        return user, get_project_for(user, slug, Role.MEMBER)

    def sheet(self, request: Request, slug: str, pk: str) -> tuple[User, Sheet]:
        """Raises NoSuchProject, PermissionDenied, NotFound."""
        user, project = self.project(request, slug)
        return user, services.get_sheet(project, pk)


class Sheets(SheetsView):
    """`GET` lists the project's sheets, `POST` reads a table."""

    parser_classes = (JSONParser, RawParser)

    @extend_schema(parameters=answers.PAGING, responses=answers.SheetsAnswer)
    def get(self, request: Request, slug: str) -> Response:
        """Newest first: `limit`, `after`."""
        _, project = self.project(request, slug)
        limit = _number(request, "limit", default=20, most=100)
        page = services.list_sheets(
            project, limit=limit, after=request.query_params.get("after", "")
        )
        return Response(
            {
                "object": "list",
                "data": [shape(sheet) for sheet in page.sheets],
                "has_more": page.has_more,
            }
        )

    @extend_schema(
        parameters=answers.UPLOADING,
        request={
            "application/json": answers.StoredBody,
            "application/octet-stream": OpenApiTypes.BINARY,
        },
        responses={201: answers.SheetAnswer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """The body is the table (`name`, `declare` and `sheet` in the query), or JSON that names
        a `file_id`."""
        user, project = self.project(request, slug)
        query = request.query_params
        content = request.data.get("table") if isinstance(request.data, dict) else None
        if isinstance(content, bytes):  # no JSON has bytes
            source = of_bytes(query.get("name", ""), content)
            made = services.create_sheet(
                user,
                project,
                source,
                declared=query.get("declare", ""),
                sheet=query.get("sheet", ""),
            )
        else:
            asked = answers.StoredBody(data=request.data)
            asked.is_valid(raise_exception=True)
            made = _from_stored(user, project, asked.validated_data)
        return Response(told(user, made), status=201)


def _from_stored(user: User, project: Project, given: Mapping[str, Any]) -> Sheet:
    file = get_file(principal_of_member(user, project), given["file_id"])
    declared = declared_together(file.declared, passed_on_by_rows(file), given["declare"])
    with reading(file) as reader:
        source = of_stored(given.get("name") or name_of(file), reader)
        return services.create_sheet(user, project, source, declared=declared, sheet=given["sheet"])


class OneSheet(SheetsView):
    """`GET` one sheet with its counts, `DELETE` it with its files."""

    @extend_schema(responses=answers.SheetAnswer)
    def get(self, request: Request, slug: str, pk: str) -> Response:
        """Its state, counts, estimate and failures by reason."""
        return Response(told(*self.sheet(request, slug, pk)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        """Not while it runs."""
        services.delete_sheet(*self.sheet(request, slug, pk))
        return Response(status=204)


class Setup(SheetsView):
    """`PUT`: what is to be done with each row."""

    @extend_schema(request=answers.SetupBody, responses=answers.SheetAnswer)
    def put(self, request: Request, slug: str, pk: str) -> Response:
        """Model, template, system prompt, examples, schema or labels."""
        user, sheet = self.sheet(request, slug, pk)
        services.configure(user, sheet, request.data)
        return Response(told(user, sheet))


class Preview(SheetsView):
    """`GET`: some rows as they would be sent."""

    @extend_schema(parameters=answers.PREVIEWING, responses=answers.RowsAnswer)
    def get(self, request: Request, slug: str, pk: str) -> Response:
        """`count` rows behind the row `after`, every destination among them."""
        _, sheet = self.sheet(request, slug, pk)
        count = _number(request, "count", default=5, most=20)
        after = _number(request, "after", default=0, most=10**9, least=0)
        return Response({"object": "list", "data": preview(sheet, count=count, after=after)})


class Estimate(SheetsView):
    """`POST`: decide about all rows without sending any."""

    @extend_schema(request=None, responses={202: answers.SheetAnswer})
    def post(self, request: Request, slug: str, pk: str) -> Response:
        """A worker does it; `estimated` of the sheet says how far it is."""
        user, sheet = self.sheet(request, slug, pk)
        return Response(told(user, services.begin_estimate(user, sheet)), status=202)


class Run(SheetsView):
    """`POST`: send the rows that are left."""

    @extend_schema(request=answers.RunBody, responses=answers.SheetAnswer)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        """After an estimate, and after a pause."""
        user, sheet = self.sheet(request, slug, pk)
        asked = answers.RunBody(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(told(user, runs.run(user, sheet, notify=asked.validated_data["notify"])))


class Pause(SheetsView):
    """`POST`: take no more rows for now."""

    @extend_schema(request=None, responses=answers.SheetAnswer)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        """Rows under way are finished."""
        user, sheet = self.sheet(request, slug, pk)
        return Response(told(user, runs.pause(user, sheet)))


class Cancel(SheetsView):
    """`POST`: end it."""

    @extend_schema(request=None, responses=answers.SheetAnswer)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        """Rows that are finished stay."""
        user, sheet = self.sheet(request, slug, pk)
        return Response(told(user, runs.cancel(user, sheet)))


class Retry(SheetsView):
    """`POST`: send rows again that failed."""

    @extend_schema(request=answers.RetryBody, responses=answers.SheetAnswer)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        """Those with one of `codes`, or all; `model` for another alias."""
        user, sheet = self.sheet(request, slug, pk)
        asked = answers.RetryBody(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        return Response(
            told(user, runs.retry(user, sheet, codes=given["codes"], model=given["model"]))
        )


class Download(SheetsView):
    """`GET`: the table with its answers."""

    @extend_schema(
        parameters=answers.DOWNLOADING,
        responses={(200, media_type): OpenApiTypes.BINARY for media_type in MEDIA_TYPES.values()},
    )
    def get(self, request: Request, slug: str, pk: str) -> HttpResponseBase:
        """`as`: csv, xlsx or jsonl."""
        user, sheet = self.sheet(request, slug, pk)
        return delivered(request._request, user, sheet, request.query_params.get("as", "csv"))


def _number(request: Request, name: str, *, default: int, most: int, least: int = 1) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise InvalidRequest(f"`{name}` must be from {least} to {most}.", param=name)
    return int(text)
