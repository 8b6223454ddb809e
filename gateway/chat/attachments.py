"""Files beside a message. Text is taken out here, on our own machine; only it can be sent.

An image is kept as it is and counts as opaque. What cannot be read is named and never sent, and
makes the message the worst there is. The bytes of documents are not kept.
"""

import base64
import io
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import charset_normalizer
import docx
import pypdf
import python_calamine
from django.db import transaction
from django.db.models import Q, QuerySet

from gateway.accounts.acting import actor_name
from gateway.accounts.models import Project, User
from gateway.audit.holds import lasting, refuse_held
from gateway.audit.retention import record_removal
from gateway.chat.models import Attachment, AttachmentKind, new_attachment_id
from gateway.files.encrypted import seal
from gateway.files.keys import project_key
from gateway.protocol.errors import InvalidRequest, NotFound, RequestTooLarge

log = logging.getLogger(__name__)

MAX_BYTES = 10 * 1024 * 1024
MAX_TEXT_CHARS = 400_000
MAX_NAME_CHARS = 200
UNSENT_FOR = timedelta(hours=24)
IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


@dataclass(frozen=True, slots=True)
class Extracted:
    """What can be sent of a file."""

    kind: AttachmentKind
    text: str = field(default="", repr=False)
    media_type: str = ""


def attach(user: User, project: Project, *, name: str, content: bytes) -> Attachment:
    """Keep a file for the next message. The caller has checked that `user` may write in `project`.

    Raises RequestTooLarge, InvalidRequest for an empty file. CPU work: not on an event loop.
    """
    if len(content) > MAX_BYTES:
        raise RequestTooLarge(f"A file may have {MAX_BYTES // 1024 // 1024} MB.")
    if not content:
        raise InvalidRequest("The file is empty.", param="file")
    found = extract(name, content)
    row = Attachment(
        id=new_attachment_id(),
        project=project,
        owner=user,
        kind=found.kind,
        media_type=found.media_type,
        bytes=len(content),
    )
    key = project_key(project)
    kept = content if found.kind == AttachmentKind.IMAGE else found.text.encode()
    row.sealed_name = seal(
        key, name[:MAX_NAME_CHARS].encode(errors="replace"), context=f"{row.pk}/name"
    )
    row.sealed_content = seal(key, kept, context=f"{row.pk}/content") if kept else b""
    row.save(force_insert=True)
    return row


def unsent(user: User, project: Project, ids: list[str]) -> QuerySet[Attachment]:
    """Files of `user`'s that are in no message yet."""
    return Attachment.objects.filter(
        pk__in=ids, owner=user, project=project, message=None
    ).select_related("project")


def drop(user: User, attachment_id: str) -> None:
    """Delete a file that is in no message yet. Raises NotFound, UnderLegalHold."""
    rows = Attachment.objects.filter(pk=attachment_id, owner=user, message=None)
    row = rows.select_related("project").first()
    if row is None:
        raise NotFound("There is no such file.", param="id")
    refuse_held(project=row.project.slug, people=[actor_name(user)])
    rows.delete()


def forget_unsent(now: datetime) -> int:
    """Delete files that nobody sent within a day, but for what legal holds keep; an event per
    project says how many. Returns how many."""
    holds = lasting()
    kept = Q(project__slug__in=holds.projects) | Q(owner__in=holds.user_ids)
    with transaction.atomic():
        rows = Attachment.objects.filter(message=None, created_at__lte=now - UNSENT_FOR)
        found = list(rows.exclude(kept).values_list("pk", "project__slug"))
        Attachment.objects.filter(pk__in=[pk for pk, _ in found], message=None).delete()
        record_removal("attachments", Counter(slug for _, slug in found), days=UNSENT_FOR.days)
    return len(found)


def extract(name: str, content: bytes) -> Extracted:
    """The text of a file, by what it is rather than by what it is called. Never raises."""
    for magic, media_type in IMAGES.items():
        if content.startswith(magic):
            return Extracted(AttachmentKind.IMAGE, media_type=media_type)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return Extracted(AttachmentKind.IMAGE, media_type="image/webp")
    try:
        text = _reader(name, content)(content)
    except Exception as error:  # noqa: BLE001 -- strangers' parsers on strangers' files
        log.info("an attachment could not be read: %s", type(error).__name__)
        return Extracted(AttachmentKind.UNREADABLE)
    if not text.strip() or len(text) > MAX_TEXT_CHARS:
        return Extracted(AttachmentKind.UNREADABLE)
    return Extracted(AttachmentKind.TEXT, text)


def image_address(row: Attachment, content: bytes) -> str:
    """An image as a data address."""
    return f"data:{row.media_type};base64," + base64.b64encode(content).decode("ascii")


def _reader(name: str, content: bytes) -> Callable[[bytes], str]:
    if content.startswith(b"%PDF-"):
        return _pdf
    if content.startswith(b"PK\x03\x04"):
        return _docx if b"word/document.xml" in content else _sheet
    if content.startswith(b"\xd0\xcf\x11\xe0") and name.lower().endswith(".xls"):
        return _sheet
    return _plain


def _pdf(content: bytes) -> str:
    reader = pypdf.PdfReader(io.BytesIO(content), strict=False)
    if reader.is_encrypted:
        return ""
    pages = [page.extract_text() for page in reader.pages]
    # A page without text is a scan: a part that nobody read makes the whole unreadable.
    return "\n\n".join(pages) if all(page.strip() for page in pages) else ""


def _docx(content: bytes) -> str:
    document = docx.Document(io.BytesIO(content))
    parts: list[str] = []
    for block in document.iter_inner_content():
        if isinstance(block, docx.table.Table):
            parts += ["\t".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            parts.append(block.text)
    for section in document.sections:
        for edge in (section.header, section.footer):
            parts += [paragraph.text for paragraph in edge.paragraphs]
    return "\n".join(parts)


def _sheet(content: bytes) -> str:
    book = python_calamine.load_workbook(io.BytesIO(content))
    parts: list[str] = []
    for name in book.sheet_names:
        parts.append(f"Sheet {name}")
        rows = book.get_sheet_by_name(name).to_python()
        parts += ["\t".join(str(cell) for cell in row) for row in rows]
    return "\n".join(parts)


def _plain(content: bytes) -> str:
    if b"\x00" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(content).best()
        return str(best) if best is not None else ""
