"""A download as a response, from an event loop or without one."""

from collections.abc import AsyncIterator, Iterator
from itertools import chain

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.results import download
from gateway.batches.sheets.writing import MEDIA_TYPES, Format
from gateway.database_threads import in_database_thread
from gateway.protocol.errors import InvalidRequest


def delivered(request: HttpRequest, by: User, sheet: Sheet, word: str) -> StreamingHttpResponse:
    """The table with its answers as `csv`, `xlsx` or `jsonl`. Raises InvalidRequest, SheetState."""
    if word not in {each.value for each in Format}:
        raise InvalidRequest(f"`as` must be one of {', '.join(Format)}.", param="as")
    format = Format(word)
    pieces = download(actor_name(by), sheet, format)
    # The first piece now: what cannot be written is an error and not half a file.
    whole = chain([next(pieces, b"")], pieces)
    response = StreamingHttpResponse(
        _in_threads(whole) if isinstance(request, ASGIRequest) else whole,
        content_type=MEDIA_TYPES[format],
    )
    response["Content-Disposition"] = f'attachment; filename="{sheet.pk}.{format}"'
    response["Cache-Control"] = "no-store"
    if sheet.sensitivity:
        response["x-sluice-sensitivity"] = sheet.sensitivity
        response["x-sluice-categories"] = ", ".join(sheet.categories)
    return response


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await in_database_thread(next, pieces, b""):
        yield piece
