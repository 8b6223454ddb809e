"""What is taken out of files, and what counts as unreadable."""

import io
from datetime import timedelta

import docx
import pytest
import xlsxwriter
from django.utils import timezone

from gateway.chat.attachments import attach, extract, forget_unsent, unsent
from gateway.chat.body import Branch, Turn, content_of
from gateway.chat.branches import sent_file
from gateway.chat.messages import ask
from gateway.chat.models import Attachment, AttachmentKind
from gateway.protocol.errors import InvalidRequest, NotFound, RequestTooLarge
from tests.gateway.chat.conftest import Lab

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16


def pdf(text: str) -> bytes:
    stream = f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode() if text else b""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body = b"%PDF-1.4\n" + b"".join(
        b"%d 0 obj%bendobj\n" % (at, each) for at, each in enumerate(objects, start=1)
    )
    return body + b"trailer<</Root 1 0 R/Size 6>>\nstartxref\n0\n%%EOF\n"


def word(text: str) -> bytes:
    document = docx.Document()
    document.add_paragraph(text)
    document.add_table(1, 2).rows[0].cells[1].text = "in a cell"
    document.sections[0].header.paragraphs[0].text = "in the header"
    kept = io.BytesIO()
    document.save(kept)
    return kept.getvalue()


def sheet(text: str) -> bytes:
    kept = io.BytesIO()
    book = xlsxwriter.Workbook(kept)
    book.add_worksheet("Ward").write_row(0, 0, [text, 412])
    book.add_worksheet("Second").write(3, 3, "further down")
    book.close()
    return kept.getvalue()


def test_text_is_found_wherever_it_stands_in_each_kind_of_file() -> None:
    assert extract("a.txt", "Grüße".encode()).text == "Grüße"
    assert extract("a.csv", "x;ÿ\n".encode("latin-1")).kind is AttachmentKind.TEXT
    assert extract("a.pdf", pdf("patient 12")).text.strip() == "patient 12"
    in_word = extract("a.docx", word("a paragraph")).text
    assert all(each in in_word for each in ("a paragraph", "in a cell", "in the header"))
    in_sheet = extract("a.xlsx", sheet("ward nine")).text
    assert all(each in in_sheet for each in ("ward nine", "412", "Second", "further down"))


@pytest.mark.parametrize(
    "content",
    [b"\x00\x01\x02", b"%PDF-1.4 broken", pdf(""), b"PK\x03\x04 broken", b"  \n ", b"x" * 400_001],
)
def test_what_nobody_can_read_is_unreadable_and_never_text(content: bytes) -> None:
    found = extract("a.pdf", content)
    assert (found.kind, found.text) == (AttachmentKind.UNREADABLE, "")


def test_a_name_makes_no_text_of_an_image() -> None:
    assert extract("a.txt", PNG).kind is AttachmentKind.IMAGE


def test_text_travels_as_text_an_image_as_itself_and_what_is_unreadable_by_name(lab: Lab) -> None:
    rows = [
        attach(lab.ada, lab.project, name=name, content=content)
        for name, content in (("a.txt", b"seven herons"), ("b.png", PNG), ("c.bin", b"\x00"))
    ]
    turn = Turn(role="user", text="Look.", files=tuple(sent_file(row) for row in rows))
    parts = content_of(turn)
    assert isinstance(parts, list)
    assert "seven herons" in parts[0]["text"]
    assert "c.bin: its content could not be read" in parts[0]["text"]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert Branch(model="auto", turns=[turn]).unreadable


def test_neither_name_nor_text_lies_in_the_database_in_clear(lab: Lab) -> None:
    row = attach(lab.ada, lab.project, name="herons.txt", content=b"seven herons")
    assert b"heron" not in bytes(row.sealed_name) + bytes(row.sealed_content)


def test_a_file_is_sent_once_by_whom_it_belongs_to(lab: Lab) -> None:
    row = attach(lab.ada, lab.project, name="a.txt", content=b"seven")
    conversation = lab.conversation()
    assert list(unsent(lab.ben, lab.project, [row.pk])) == []
    ask(lab.ada, conversation.pk, "Look.", model="auto", attachments=[row.pk])
    with pytest.raises(NotFound):
        ask(lab.ada, conversation.pk, "Again.", model="auto", attachments=[row.pk])
    assert conversation.messages.count() == 2


def test_files_that_nobody_sent_go_after_a_day(lab: Lab) -> None:
    attach(lab.ada, lab.project, name="a.txt", content=b"seven")
    assert forget_unsent(timezone.now()) == 0
    assert forget_unsent(timezone.now() + timedelta(hours=25)) == 1
    assert not Attachment.objects.exists()


def test_an_empty_and_a_huge_file_are_refused(lab: Lab) -> None:
    with pytest.raises(InvalidRequest):
        attach(lab.ada, lab.project, name="a.txt", content=b"")
    with pytest.raises(RequestTooLarge):
        attach(lab.ada, lab.project, name="a.txt", content=b"x" * (10 * 1024 * 1024 + 1))
