"""The names of the columns, and whether a row fits under them."""

from collections.abc import Sequence

from gateway.batches.sheets.cells import (
    MAX_CELL_CHARS,
    MAX_COLUMN_NAME_CHARS,
    MAX_COLUMNS,
    Cell,
    Row,
    is_blank,
    is_number,
    letter,
    text_of,
)
from gateway.batches.sheets.problems import SheetRefused


def columns_of(cells: Sequence[Cell], *, file: str, line: int) -> tuple[str, ...]:
    """The columns' names from a table's first line. Raises SheetRefused.

    Empty cells at the end are no columns.
    """
    names = [" ".join(text_of(cell).split()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names or all(is_blank(name) or is_number(name) for name in names):
        raise SheetRefused(
            "this line has no names of columns. Put a header above the rows.",
            code="no_header",
            file=file,
            line=line,
        )
    if len(names) > MAX_COLUMNS:
        raise SheetRefused(
            f"there are {len(names)} columns; at most {MAX_COLUMNS} can be taken.",
            code="too_many_columns",
            file=file,
            line=line,
        )
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if not name:
            raise SheetRefused(
                "this column has no name. Name it or remove it.",
                code="unnamed_column",
                file=file,
                line=line,
                column=letter(index),
            )
        if len(name) > MAX_COLUMN_NAME_CHARS:
            raise SheetRefused(
                f"the name is longer than {MAX_COLUMN_NAME_CHARS} characters. Is this a header?",
                code="no_header",
                file=file,
                line=line,
                column=letter(index),
            )
        first = seen.setdefault(name, index)
        if first != index:
            raise SheetRefused(
                f"this column has the same name as column {letter(first)}. Rename one of them.",
                code="duplicate_column",
                file=file,
                line=line,
                column=f"{letter(index)} ({name})",
            )
    return tuple(names)


def fitted(cells: Sequence[Cell], columns: Sequence[str], *, file: str, line: int) -> Row | None:
    """The row's cells, one per column; None for a line in which nothing stands.

    Raises SheetRefused for a row that has fewer or more, and for a cell that is too long.
    """
    if all(is_blank(cell) for cell in cells):
        return None
    if len(cells) < len(columns):
        raise SheetRefused(
            f"this row has {len(cells)} cells and the header {len(columns)}. Is a line break or a "
            "quotation mark inside of a cell not quoted?",
            code="broken_row",
            file=file,
            line=line,
        )
    for index, cell in enumerate(cells[len(columns) :], start=len(columns)):
        if not is_blank(cell):
            raise SheetRefused(
                f"this row has more cells than the header, which has {len(columns)}. Is a "
                "separator inside of a cell not quoted?",
                code="broken_row",
                file=file,
                line=line,
                column=letter(index),
            )
    row = tuple(cells[: len(columns)])
    for name, cell in zip(columns, row, strict=True):
        if isinstance(cell, str) and len(cell) > MAX_CELL_CHARS:
            raise too_long(file=file, line=line, column=name)
    return row


def too_long(*, file: str, line: int, column: str = "") -> SheetRefused:
    """The refusal of a cell that is too long."""
    return SheetRefused(
        f"a cell is longer than {MAX_CELL_CHARS} characters. Shorten or split it.",
        code="cell_too_long",
        file=file,
        line=line,
        column=column,
    )
