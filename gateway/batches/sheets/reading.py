"""From a file in any of four formats to columns and rows, one row at a time."""

from collections.abc import Iterator

from gateway.batches.sheets.cells import Row
from gateway.batches.sheets.delimited import empty, read_delimited
from gateway.batches.sheets.objects import read_objects
from gateway.batches.sheets.problems import SheetRefused
from gateway.batches.sheets.source import Source
from gateway.batches.sheets.workbook import read_workbook

FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


def read(source: Source, *, sheet: str = "") -> tuple[tuple[str, ...], Iterator[Row]]:
    """The columns' names, and the rows as they are read. Raises SheetRefused, at once or in the
    middle of the rows: keep nothing before the last one came."""
    if not source.size_bytes:
        raise empty(source)
    items = _items(source, _format_of(source), sheet)
    columns = next(items)
    return tuple(str(name) for name in columns), items


def _items(source: Source, format: str, sheet: str) -> Iterator[tuple[str, ...] | Row]:
    match format:
        case "xlsx":
            return read_workbook(source, sheet)
        case "jsonl":
            return read_objects(source)
        case "tsv":
            return read_delimited(source, "\t")
        case _:
            return read_delimited(source)


def _format_of(source: Source) -> str:
    start = source.start(4)
    if start == _ZIP:
        return "xlsx"
    if start == _OLD_EXCEL:
        raise SheetRefused(
            "this is a workbook in Excel's old format, or one with a password. Save it as .xlsx "
            "without a password.",
            code="unreadable_workbook",
            file=source.name,
        )
    dot = source.name.rfind(".")
    format = FORMATS.get(source.name[dot:].lower()) if dot >= 0 else None
    if format is None:
        raise SheetRefused(
            f"tables end in {', '.join(FORMATS)}. Rename the file to say what it is.",
            code="unknown_format",
            file=source.name,
        )
    if format == "xlsx":
        raise SheetRefused(
            "this is no workbook, whatever its name. If it is CSV, let its name end in .csv.",
            code="unreadable_workbook",
            file=source.name,
        )
    return format
