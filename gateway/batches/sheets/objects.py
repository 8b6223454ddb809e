"""Reading JSONL: one object a line; its keys are the columns, in the order they first occur."""

from collections.abc import Iterator
from typing import Any

from gateway.batches.jsonl import split
from gateway.batches.sheets.cells import Row, cell_of
from gateway.batches.sheets.delimited import empty
from gateway.batches.sheets.encodings import MAX_LINE_BYTES
from gateway.batches.sheets.header import columns_of, fitted, too_long
from gateway.batches.sheets.problems import SheetRefused
from gateway.batches.sheets.source import Source
from gateway.protocol.errors import InvalidRequest
from gateway.protocol.json_tree import decode_object

_SAID = {
    "invalid_utf8": "this line is not valid UTF-8.",
    "duplicate_key": "a key occurs twice in this object.",
    "too_deep": "this line nests too deeply.",
    "invalid_unicode": "this line contains half of a surrogate pair.",
}


def read_objects(source: Source) -> Iterator[tuple[str, ...] | Row]:
    """The columns' names, then the rows. Reads the file twice. Raises SheetRefused."""
    keys: dict[str, None] = {}
    first = 0
    for number, tree in _objects(source):
        first = first or number
        for key in tree:
            keys.setdefault(key)
    if not first:
        raise empty(source)
    columns = columns_of(list(keys), file=source.name, line=first)
    yield columns
    for number, tree in _objects(source):
        cells = [cell_of(tree.get(key)) for key in keys]
        row = fitted(cells, columns, file=source.name, line=number)
        if row is not None:
            yield row


def _objects(source: Source) -> Iterator[tuple[int, dict[str, Any]]]:
    for line in split(source.pieces(), max_line_bytes=MAX_LINE_BYTES):
        number = line.place.line
        if line.text is None:
            raise too_long(file=source.name, line=number)
        try:
            yield number, decode_object(line.text)
        except InvalidRequest as error:
            # The reader's own words may quote the line.
            raise SheetRefused(
                _SAID.get(error.code or "", "this line is not a valid JSON object."),
                code="broken_row",
                file=source.name,
                line=number,
            ) from None
