"""What is written out reads back the same, and nobody calculates it."""

import csv
import io
import zipfile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batches.sheets.cells import Cell, escaped, is_blank, is_formula, text_of, unescaped
from gateway.batches.sheets.problems import SheetState
from gateway.batches.sheets.reading import read
from gateway.batches.sheets.source import of_bytes
from gateway.batches.sheets.writing import Format, write

# Cells of text files hold no NUL, and JSON no half of a surrogate pair.
texts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30
) | st.sampled_from(["=1+1", "'=1", "''@x", "-5", "-5 mg", "+49 30", '"', '"a"\r\n', "a,b;c\td"])
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.tuples(*[texts] * width).filter(lambda row: not all(map(is_blank, row))),
        min_size=1,
        max_size=5,
    )
)


def columns_for(rows: list[tuple[str, ...]]) -> list[str]:
    return [f"column {number}" for number in range(len(rows[0]))]


@given(tables)
def test_csv_reads_back_every_cell(rows: list[tuple[str, ...]]) -> None:
    content = b"".join(write(Format.CSV, columns_for(rows), rows))
    columns, found = read(of_bytes("a.csv", content))
    assert list(columns) == columns_for(rows)
    assert list(found) == rows


@given(tables)
def test_jsonl_reads_back_every_cell(rows: list[tuple[str, ...]]) -> None:
    content = b"".join(write(Format.JSONL, columns_for(rows), rows))
    assert list(read(of_bytes("a.jsonl", content))[1]) == rows


@settings(max_examples=12, deadline=None)  # each starts two processes
@given(tables)
def test_a_workbook_reads_back_every_cell(rows: list[tuple[str, ...]]) -> None:
    content = b"".join(write(Format.XLSX, columns_for(rows), rows))
    found = list(read(of_bytes("a.xlsx", content))[1])
    assert [tuple(text_of(cell) for cell in row) for row in found] == rows


def test_numbers_and_truth_values_keep_their_types_in_a_workbook() -> None:
    rows: list[tuple[Cell, ...]] = [(1, 2.5, True, None, "x")]
    content = b"".join(write(Format.XLSX, ["a", "b", "c", "d", "e"], rows))
    assert list(read(of_bytes("a.xlsx", content))[1]) == rows


@given(texts)
def test_escaping_gives_back_exactly_what_was_there(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not is_formula(escaped(text))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_no_cell_of_csv_begins_like_a_formula(start: str) -> None:
    content = b"".join(write(Format.CSV, ["a", f"{start}b"], [(f"{start}cmd|'/c calc'!A0", "x")]))
    for row in csv.reader(io.StringIO(content.decode(), newline="")):
        assert not any(cell.startswith(start) for cell in row)


def test_a_plain_negative_number_stays_a_number() -> None:
    assert [escaped(text) for text in ("-12.5", "+3", "-1e9", "-1-1")] == [
        *("-12.5", "+3", "-1e9", "'-1-1")
    ]


def test_a_formula_in_a_workbook_is_text() -> None:
    content = b"".join(write(Format.XLSX, ["a"], [("=1+1",), ("@x",)]))
    assert list(read(of_bytes("a.xlsx", content))[1]) == [("=1+1",), ("@x",)]
    # Excel, too, is told so: the cells carry the mark of a leading apostrophe.
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")
        assert b'quotePrefix="1"' in parts.read("xl/styles.xml")


def test_a_cell_that_no_workbook_holds_is_an_error_and_not_cut() -> None:
    rows = [("x",), ("y" * 32_768,)]
    with pytest.raises(SheetState, match=r"Row 2 .* column note"):
        list(write(Format.XLSX, ["note"], rows))
    content = b"".join(write(Format.JSONL, ["note"], rows))
    assert msgspec.json.decode(content.splitlines()[1])["note"] == "y" * 32_768
