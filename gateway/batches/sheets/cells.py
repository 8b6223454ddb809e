"""Cells: what they may hold, how they read as text, and how they are written out safely."""

import math
import re
from collections.abc import Sequence

import msgspec

Cell = str | int | float | bool | None
Row = tuple[Cell, ...]

MAX_CELL_CHARS = 1_000_000
MAX_COLUMNS = 1000
MAX_COLUMN_NAME_CHARS = 200
# A program that opens a table calculates what begins so (OWASP, "CSV Injection").
# The second four are what Excel takes for the first in its East Asian editions.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?([eE][-+]?[0-9]+)?")
# Whole numbers beyond lose digits as floats; larger ones of JSON become text.
_EXACT = 2**53
_ROWS = msgspec.json.Decoder(tuple[str | int | float | bool | None, ...])
_encode = msgspec.json.Encoder().encode


def text_of(cell: Cell) -> str:
    """A cell as it stands in a prompt. `12.0` of a workbook reads 12."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return str(int(cell))
    return str(cell)


def cell_of(value: object) -> Cell:
    """A JSON value as a cell. Lists and objects become JSON text, and so do numbers that a
    workbook cannot hold exactly."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return _encode(value).decode()


def is_blank(cell: Cell) -> bool:
    """Whether nothing stands in it."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def is_number(cell: Cell) -> bool:
    """Whether it is a number, or reads like one."""
    if isinstance(cell, str):
        return _NUMBER.fullmatch(cell.strip()) is not None
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program would calculate it. A plain number such as -12.5 is none."""
    return text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None


def escaped(text: str) -> str:
    """Text that no spreadsheet program takes for a formula.

    One apostrophe more in front of what is a formula, and of what is one behind apostrophes, so
    that `unescaped` gives back exactly what was there.
    """
    return f"'{text}" if is_formula(text.lstrip("'")) else text


def unescaped(text: str) -> str:
    """What was given to `escaped`."""
    return text[1:] if text.startswith("'") and is_formula(text.lstrip("'")) else text


def encode_row(cells: Sequence[Cell]) -> bytes:
    """One line of a stored table, without its end."""
    return _encode(cells)


def decode_row(line: bytes) -> Row:
    """What `encode_row` was given. Raises msgspec.DecodeError."""
    return _ROWS.decode(line)


def letter(index: int) -> str:
    """A column's letters, as spreadsheet programs show them: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
