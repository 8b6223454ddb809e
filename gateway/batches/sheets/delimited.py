"""Reading CSV and TSV, in constant memory."""

import csv
import io
from collections.abc import Iterator

from typing_extensions import override

from gateway.batches.sheets.cells import MAX_CELL_CHARS, Row, unescaped
from gateway.batches.sheets.encodings import MAX_LINE_BYTES, encoding_of, no_text
from gateway.batches.sheets.header import columns_of, fitted, too_long
from gateway.batches.sheets.problems import SheetRefused
from gateway.batches.sheets.source import Source

SEPARATORS = (",", ";", "\t", "|")
# Of the whole process: nothing else here reads CSV, and the module's own limit is smaller.
csv.field_size_limit(MAX_CELL_CHARS)


def read_delimited(source: Source, separator: str = "") -> Iterator[tuple[str, ...] | Row]:
    """The columns' names, then the rows. `separator`: empty to find it. Raises SheetRefused."""
    lines = _Lines(source)
    first = next(lines, "")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        # Excel's own hint.
        separator, first = first[4], next(lines, "")
    if not separator:
        separator = _separator(first)
    reader = csv.reader(lines.after(first), delimiter=separator, strict=True)
    columns: tuple[str, ...] | None = None
    begins = lines.number
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise _broken(error, source, begins) from None
        if columns is None:
            if any(cell.strip() for cell in cells):
                columns = columns_of(cells, file=source.name, line=begins)
                yield columns
        else:
            row = fitted(cells, columns, file=source.name, line=begins)
            if row is not None:
                yield tuple(unescaped(cell) if isinstance(cell, str) else cell for cell in row)
        begins = lines.number + 1
    if columns is None:
        raise empty(source)


def empty(source: Source) -> SheetRefused:
    """The refusal of a file in which nothing stands."""
    return SheetRefused(
        "the file is empty. It needs a header and at least one row.",
        code="empty_file",
        file=source.name,
    )


def _separator(line: str) -> str:
    """The one that occurs most often in the first line, outside of quotation marks."""
    outside = "".join(line.split('"')[::2])
    return max(SEPARATORS, key=outside.count)


def _broken(error: csv.Error, source: Source, line: int) -> SheetRefused:
    if "field larger" in str(error):
        return too_long(file=source.name, line=line)
    # What the module says quotes at most the separator.
    return SheetRefused(
        f"this row cannot be read ({error}). Is a quotation mark not closed?",
        code="broken_row",
        file=source.name,
        line=line,
    )


class _Lines:
    """The file's lines as text, with their ends. `number` is the last one's."""

    def __init__(self, source: Source) -> None:
        self._source = source
        encoding = encoding_of(source)
        raw = io.BufferedReader(_Raw(source.pieces()), 64 * 1024)
        self._text = io.TextIOWrapper(raw, encoding=encoding, newline="")
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self._text.readline(MAX_LINE_BYTES)
        except UnicodeDecodeError:
            raise SheetRefused(
                "this line does not fit the encoding of the lines before it. Save the whole file "
                "as UTF-8.",
                code="mixed_encodings",
                file=self._source.name,
                line=self.number + 1,
            ) from None
        if not line:
            raise StopIteration
        self.number += 1
        if "\0" in line:  # in UTF-16, where it is two bytes like others
            raise no_text(self._source, line=self.number)
        return line

    def after(self, first: str) -> Iterator[str]:
        """A line that was looked at, then the others."""
        if first:
            yield first
        yield from self


class _Raw(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        length = min(len(buffer), len(self._rest))
        buffer[:length] = self._rest[:length]
        self._rest = self._rest[length:]
        return length
