"""Reading XLSX, in a process of its own with a ceiling for its memory and time.

A workbook is a zip of XML: a small file may unfold to anything, and what its directory says about
sizes may be a lie. The directory is checked first, for a clear word; the ceiling holds whatever it
says. Plain bytes go through pipes and never touch a disk. Formulas read as the values that were
stored with them.
"""

import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from gateway.batches.sheets.cells import Cell, Row
from gateway.batches.sheets.delimited import empty
from gateway.batches.sheets.header import columns_of, fitted
from gateway.batches.sheets.problems import SheetRefused
from gateway.batches.sheets.source import Source

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_UNFOLDED_BYTES = 400 * 1024 * 1024
MAX_PARTS = 10_000
MEMORY_BYTES = 1536 * 1024 * 1024
CPU_S = 120
PATIENCE_S = 300.0
_READER = Path(__file__).with_name("workbook_reader.py")
_WORDS = {
    "password": "the workbook is protected with a password. Remove it and save again.",
    "no_sheet": "the workbook has no sheet of this name.",
}


def read_workbook(source: Source, sheet: str = "") -> Iterator[tuple[str, ...] | Row]:
    """The columns' names, then the rows of one sheet: the first, or the one named.

    Raises SheetRefused.
    """
    content = _checked(source)
    process = subprocess.Popen(  # noqa: S603 -- our own reader, by its path
        [sys.executable, "-I", str(_READER), str(MEMORY_BYTES), str(CPU_S), sheet],
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
                yield from _rows(process, content, source)
            finally:
                process.kill()  # whoever stops half-way leaves no reader behind
    finally:
        watch.cancel()


def _checked(source: Source) -> bytes:
    if source.size_bytes > MAX_FILE_BYTES:
        raise SheetRefused(
            f"a workbook may have at most {MAX_FILE_BYTES // 2**20} MiB. Save it as CSV.",
            code="workbook_too_large",
            file=source.name,
        )
    content = b"".join(source.pieces())
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            infos = parts.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise _unreadable(source) from None
    if len(infos) > MAX_PARTS or sum(info.file_size for info in infos) > MAX_UNFOLDED_BYTES:
        raise _too_large(source)
    return content


def _rows(
    process: "subprocess.Popen[bytes]", content: bytes, source: Source
) -> Iterator[tuple[str, ...] | Row]:
    columns: tuple[str, ...] | None = None
    for line, cells in _lines(process, content, source):
        if columns is not None:
            row = fitted(cells, columns, file=source.name, line=line)
            if row is not None:
                yield row
        elif any(cell is not None for cell in cells):
            columns = columns_of(cells, file=source.name, line=line)
            yield columns
    if columns is None:
        raise empty(source)


def _lines(
    process: "subprocess.Popen[bytes]", content: bytes, source: Source
) -> Iterator[tuple[int, list[Cell]]]:
    """Each line's number and cells. Raises SheetRefused when the reader does not say its end."""
    if process.stdin is None or process.stdout is None:
        raise _unreadable(source)
    _feed(process.stdin, content)
    for text in process.stdout:
        try:
            item = msgspec.json.decode(text)
        except msgspec.DecodeError:
            break  # it was stopped in the middle of a line
        if isinstance(item, list):
            yield item[0], item[1:]
        elif "error" in item:
            raise _refusal(item["error"], source)
        else:
            return
    raise _too_large(source)


def _feed(pipe: IO[bytes], content: bytes) -> None:
    try:
        pipe.write(content)
        pipe.close()
    except BrokenPipeError:
        return  # it ended already; its answer, or that there is none, says why


def _refusal(word: str, source: Source) -> SheetRefused:
    if word in _WORDS:
        return SheetRefused(_WORDS[word], code="unreadable_workbook", file=source.name)
    if word == "memory":
        return _too_large(source)
    return _unreadable(source)


def _unreadable(source: Source) -> SheetRefused:
    return SheetRefused(
        "this is no workbook that can be read. Save it as .xlsx or as CSV.",
        code="unreadable_workbook",
        file=source.name,
    )


def _too_large(source: Source) -> SheetRefused:
    return SheetRefused(
        f"the workbook unfolds to more than {MAX_UNFOLDED_BYTES // 2**20} MiB, or uses cells far "
        "outside of its table. Delete what is empty, or save it as CSV.",
        code="workbook_too_large",
        file=source.name,
    )
