"""The audit as a file, handed out in blocks while it is read. No database cursor stays open."""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from gateway.audit.export import ExportFormat
from gateway.database_threads import in_database_thread

LINES_PER_BLOCK: Final = 500
_TYPES: Final = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSONL: "application/jsonl; charset=utf-8",
}


def as_file(
    request: HttpRequest, lines: Iterator[str], *, name: str, format: ExportFormat
) -> StreamingHttpResponse:
    """The lines as a download named by its day. On an event loop they are read in threads."""
    blocks = _blocks(lines)
    day = timezone.localdate().isoformat()
    return StreamingHttpResponse(
        _in_threads(blocks) if isinstance(request, ASGIRequest) else blocks,
        content_type=_TYPES[format],
        headers={
            "Content-Disposition": f'attachment; filename="{name}-{day}.{format.value}"',
        },
    )


def _blocks(lines: Iterator[str]) -> Iterator[bytes]:
    while block := "".join(islice(lines, LINES_PER_BLOCK)):
        yield block.encode()


async def _in_threads(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while block := await in_database_thread(next, blocks, b""):
        yield block
