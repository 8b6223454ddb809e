"""`/v1/files`, in OpenAI's shapes."""

import asyncio
from collections.abc import Generator
from typing import Any

from django.db import connection

from gateway.accounts.limits import limits_of
from gateway.database_threads import in_database_thread
from gateway.files import services
from gateway.files.models import Purpose, StoredFile
from gateway.files.uploads import Upload, require_lifetime
from gateway.openai_api.stored.asking import Asked
from gateway.openai_api.stored.multipart import FormReader
from gateway.protocol.errors import InvalidRequest, RequestTooLarge

SCOPE = "files"
MAX_LIST = 10_000
FORM_BYTES = 64 * 1024  # what a form may have around its file
WRITE_AT_ONCE = 1024 * 1024
_UPLOADED_FOR = sorted(set(Purpose) - {Purpose.BATCH_OUTPUT})


def shape(row: StoredFile, name: str) -> dict[str, Any]:
    """OpenAI's file object. `sluice` has its label, once its text was labelled."""
    return {
        "id": row.pk,
        "object": "file",
        "bytes": row.bytes,
        "created_at": int(row.created_at.timestamp()),
        "expires_at": int(row.expires_at.timestamp()) if row.expires_at else None,
        "filename": name,
        "purpose": row.purpose,
        "status": "processed",
        "status_details": None,
        "sluice": {
            "declared": row.declared,
            "sensitivity": row.sensitivity or None,
            "categories": row.categories if row.sensitivity else None,
        },
    }


async def uploaded(asked: Asked, _: str) -> dict[str, Any]:
    """`POST /v1/files`: the form is encrypted as it comes, in constant memory."""
    asked.require_scope(SCOPE)
    declared = asked.declaration(asked.declared)
    upload = await in_database_thread(_begin, asked)
    try:
        form = FormReader(asked.content_type, upload.write)
        waiting = bytearray()
        received = 0
        async for piece in asked.body():
            received += len(piece)
            if received > upload.limits.file_bytes + FORM_BYTES:
                raise _too_large(upload.limits.file_bytes)
            waiting += piece
            if len(waiting) >= WRITE_AT_ONCE:
                await asyncio.to_thread(form.feed, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(form.feed, bytes(waiting))
        form.finish()
        return await in_database_thread(_finish, upload, form, declared)
    finally:
        await asyncio.to_thread(upload.discard)


def _begin(asked: Asked) -> Upload:
    project = services.project_of(asked.principal)
    most = limits_of(project).file_bytes
    if asked.content_length > most + FORM_BYTES:
        raise _too_large(most)
    return Upload(project=project, actor=asked.principal.actor)


def _finish(upload: Upload, form: FormReader, declared: str) -> dict[str, Any]:
    if form.file_name is None:
        raise InvalidRequest("The form has no `file`.", param="file")
    purpose = form.fields.get("purpose")
    if purpose not in _UPLOADED_FOR:
        raise InvalidRequest(
            f"`purpose` must be one of {', '.join(_UPLOADED_FOR)}.", param="purpose"
        )
    row = upload.finish(
        name=form.file_name,
        purpose=Purpose(purpose),
        declared=declared,
        expires_after_s=_lifetime(form.fields),
    )
    return shape(row, form.file_name)


def _lifetime(fields: dict[str, str]) -> int | None:
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise InvalidRequest(
            "`expires_after.anchor` must be `created_at`.", param="expires_after.anchor"
        )
    if not (seconds and seconds.isascii() and seconds.isdigit() and len(seconds) < 10):
        raise InvalidRequest("`seconds` must be a whole number.", param="expires_after.seconds")
    require_lifetime(int(seconds), "expires_after.seconds")
    return int(seconds)


async def listed(asked: Asked, _: str) -> dict[str, Any]:
    """`GET /v1/files`."""
    asked.require_scope(SCOPE)
    order = asked.query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise InvalidRequest("`order` must be asc or desc.", param="order")
    return await in_database_thread(
        _list,
        asked,
        limit=asked.number("limit", default=MAX_LIST, most=MAX_LIST),
        newest_first=order == "desc",
    )


def _list(asked: Asked, *, limit: int, newest_first: bool) -> dict[str, Any]:
    page = services.list_files(
        asked.principal,
        limit=limit,
        after=asked.query.get("after", ""),
        newest_first=newest_first,
        purpose=asked.query.get("purpose", ""),
    )
    names = services.names_of(list(page.files))
    return list_shape([shape(row, names[row.pk]) for row in page.files], has_more=page.has_more)


def list_shape(data: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """OpenAI's list object."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


async def retrieved(asked: Asked, file_id: str) -> dict[str, Any]:
    """`GET /v1/files/{id}`."""
    asked.require_scope(SCOPE)
    return await in_database_thread(_retrieve, asked, file_id)


def _retrieve(asked: Asked, file_id: str) -> dict[str, Any]:
    row = services.get_file(asked.principal, file_id)
    return shape(row, services.name_of(row))


async def deleted(asked: Asked, file_id: str) -> dict[str, Any]:
    """`DELETE /v1/files/{id}`: gone for good, the bytes too."""
    asked.require_scope(SCOPE)
    await in_database_thread(services.delete_file, asked.principal, file_id)
    return {"id": file_id, "object": "file", "deleted": True}


async def content(asked: Asked, file_id: str) -> None:
    """`GET /v1/files/{id}/content`: the event first, then the text, chunk by chunk."""
    asked.require_scope(SCOPE)
    row = await in_database_thread(_to_download, asked, file_id)
    pieces = _pieces(row)
    try:
        # The first chunk opens before the head leaves: an unreadable file is an error, not a stub.
        piece = await asyncio.to_thread(next, pieces, b"")
        asked.answering = True
        await asked.send(
            {"type": "http.response.start", "status": 200, "headers": _head(asked, row)}
        )
        if asked.method != "HEAD":
            while piece:
                await asked.send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await asyncio.to_thread(next, pieces, b"")
        await asked.send({"type": "http.response.body", "body": b""})
    finally:
        await asyncio.to_thread(pieces.close)


def _to_download(asked: Asked, file_id: str) -> StoredFile:
    row = services.get_file(asked.principal, file_id)
    if asked.method != "HEAD":
        services.record_download(asked.principal, row)
    return row


def _head(asked: Asked, row: StoredFile) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"x-request-id", asked.request_id.encode()),
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % row.bytes),
        (b"content-disposition", b'attachment; filename="%s"' % row.pk.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if row.sensitivity:
        headers += [
            (b"x-sluice-sensitivity", row.sensitivity.encode()),
            (b"x-sluice-categories", ", ".join(row.categories).encode()),
        ]
    return headers


def _pieces(row: StoredFile) -> Generator[bytes, None, None]:
    """Chunks of the text; opened in whichever thread asks for the first."""
    with services.reading(row) as reader:
        connection.close()  # the key was read; nothing more of the database is needed
        yield from reader.pieces()


def _too_large(most: int) -> RequestTooLarge:
    return RequestTooLarge(f"A file of this project may have at most {most} bytes.")
