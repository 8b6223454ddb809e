"""Tables on their way out: CSV, JSONL and XLSX, as pieces of bytes.

INVARIANT: no program that opens one calculates what a model answered or what somebody typed into
a cell: in CSV what looks like a formula gets an apostrophe in front, in XLSX it is marked as text.
CSV and JSONL take constant memory. A workbook is put together in a process of its own, because it
can only be written whole, and its writer would otherwise keep plain text in temporary files.
"""

import csv
import io
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from gateway.batches.sheets.cells import Cell, encode_row, escaped, text_of
from gateway.batches.sheets.problems import SheetState

PIECE_CHARS = 64 * 1024
MAX_WORKBOOK_CELLS = 4_000_000
MAX_WORKBOOK_CHARS = 32_767  # Excel's own limit for a cell
MEMORY_BYTES = 3 * 1024 * 1024 * 1024
PATIENCE_S = 600.0
_WRITER = Path(__file__).with_name("workbook_writer.py")
_encode = msgspec.json.Encoder().encode


class Format(StrEnum):
    """What a table can be downloaded as."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"


MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/jsonl; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def write(
    format: Format, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> Iterator[bytes]:
    """The whole table, piece by piece. Raises SheetState for what a workbook cannot hold, before
    its first piece."""
    match format:
        case Format.CSV:
            return _csv(columns, rows)
        case Format.JSONL:
            return _jsonl(columns, rows)
        case Format.XLSX:
            return _xlsx(columns, rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([escaped(name) for name in columns])
    for row in rows:
        writer.writerow([escaped(text_of(cell)) for cell in row])
        if text.tell() > PIECE_CHARS:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _jsonl(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    for row in rows:
        yield _encode(dict(zip(columns, row, strict=True))) + b"\n"


def _xlsx(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    process = subprocess.Popen(  # noqa: S603 -- our own writer, by its path
        [sys.executable, "-I", str(_WRITER), str(MEMORY_BYTES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},  # it needs nothing of ours
    )
    watch = threading.Timer(PATIENCE_S, process.kill)
    watch.start()
    try:
        with process:
            try:
                yield from _through(process, columns, rows)
            finally:
                process.kill()  # whoever stops half-way leaves no writer behind
    finally:
        watch.cancel()


def _through(
    process: "subprocess.Popen[bytes]", columns: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> Iterator[bytes]:
    if process.stdin is None or process.stdout is None:
        raise _too_large()
    try:
        process.stdin.write(encode_row(columns) + b"\n")
        for number, row in enumerate(rows, start=1):
            _require_room(columns, row, number)
            process.stdin.write(encode_row(row) + b"\n")
        process.stdin.close()
    except BrokenPipeError:
        raise _too_large() from None
    # It writes nothing before it has everything, so an answer at all is a whole workbook.
    first = process.stdout.read(PIECE_CHARS)
    if not first:
        raise _too_large()
    yield first
    while piece := process.stdout.read(PIECE_CHARS):
        yield piece


def _require_room(columns: Sequence[str], row: Sequence[Cell], number: int) -> None:
    if number * len(columns) > MAX_WORKBOOK_CELLS:
        raise _too_large()
    for name, cell in zip(columns, row, strict=True):
        if isinstance(cell, str) and len(cell) > MAX_WORKBOOK_CHARS:
            raise SheetState(
                f"Row {number} has more than {MAX_WORKBOOK_CHARS} characters in the column {name}, "
                "which no workbook holds. Download CSV or JSONL.",
                code="too_large_for_xlsx",
            )


def _too_large() -> SheetState:
    return SheetState(
        "The table is too large for a workbook. Download CSV or JSONL.", code="too_large_for_xlsx"
    )
