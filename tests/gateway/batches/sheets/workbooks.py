"""Workbooks for the tests, good and bad."""

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import xlsxwriter


def workbook(fill: Callable[[Any, Any], None]) -> bytes:
    """A workbook; `fill` gets its first sheet and itself."""
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True})
    fill(book.add_worksheet("First"), book)
    book.close()
    return content.getvalue()


def of_rows(*rows: list[Any]) -> bytes:
    def fill(sheet: Any, _: Any) -> None:
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)

    return workbook(fill)


def bomb(unfolded_bytes: int, *, lying: bool) -> bytes:
    """A workbook whose sheet unfolds to that many bytes; `lying`: its directory says 1000."""
    good = of_rows(["a", "b"], ["1", "2"])
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good)) as source,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for info in source.infolist():
            if info.filename != "xl/worksheets/sheet1.xml":
                target.writestr(info.filename, source.read(info))
        with target.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            part.write(
                b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            )
            part.write(b"<sheetData>")
            row = b'<row><c t="inlineStr"><is><t>' + b"x" * 1_000_000 + b"</t></is></c></row>"
            for _ in range(unfolded_bytes // len(row)):
                part.write(row)
            part.write(b"</sheetData></worksheet>")
    bytes_ = content.getvalue()
    return _with_small_sizes(bytes_) if lying else bytes_


def _with_small_sizes(content: bytes) -> bytes:
    """Every size in the zip's directory that is large says 1000 instead."""
    found = bytearray(content)
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        (size,) = struct.unpack_from("<I", content, at + 24)
        if size > 1_000_000:
            struct.pack_into("<I", found, at + 24, 1000)
        at = content.find(b"PK\x01\x02", at + 4)
    return bytes(found)
