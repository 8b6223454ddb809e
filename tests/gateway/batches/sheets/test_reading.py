"""Tables are read as they are, or refused with what is wrong, where, and what to do."""

import datetime
import io
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.batches.sheets import workbook as workbook_module
from gateway.batches.sheets.cells import Row
from gateway.batches.sheets.problems import SheetRefused
from gateway.batches.sheets.reading import read
from gateway.batches.sheets.source import Source, of_bytes
from tests.gateway.batches.sheets.workbooks import bomb, of_rows, workbook


def table(name: str, content: bytes, **options: Any) -> tuple[tuple[str, ...], list[Row]]:
    columns, rows = read(of_bytes(name, content), **options)
    return columns, list(rows)


def refused(name: str, content: bytes) -> SheetRefused:
    with pytest.raises(SheetRefused) as caught:
        table(name, content)
    assert name in caught.value.message
    return caught.value


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_it_finds_the_separator(separator: str) -> None:
    text = separator.join(["name", "note"]) + "\r\n" + separator.join(['"a, b; c|\td"', "x"])
    assert table("a.csv", text.encode()) == (("name", "note"), [("a, b; c|\td", "x")])


def test_excels_hint_of_the_separator_is_no_header() -> None:
    assert table("a.csv", b"sep=;\r\na;b\r\n1;2\r\n") == (("a", "b"), [("1", "2")])


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp1251", "cp932", "gb18030"]
)
def test_it_reads_what_spreadsheet_programs_write(encoding: str) -> None:
    words = {
        "cp1251": "Пациент жалуется на длинную очередь",
        "cp932": "患者さんは待ち時間が長いと言っています",
        "gb18030": "病人抱怨等候时间太长希望增加医生",
    }.get(encoding, "Die Ärztin grüßte über den Flur und hörte schön zu")
    content = f"comment,score\n{words},1\n".encode(encoding)
    assert table("a.csv", content) == (("comment", "score"), [(words, "1")])


def test_a_line_break_inside_of_quotation_marks_belongs_to_the_cell() -> None:
    assert table("a.csv", b'a,b\n"x\r\ny",1\n')[1] == [("x\r\ny", "1")]


def test_empty_lines_are_no_rows() -> None:
    assert table("a.csv", b"\n\na,b\n\n1,2\n,\n\n3,4\n\n") == (("a", "b"), [("1", "2"), ("3", "4")])


def test_the_columns_of_jsonl_are_all_keys_in_order() -> None:
    content = b'{"a": 1}\n\n{"b": [1, {"c": null}], "a": "x"}\n{"b": true}\n'
    assert table("a.jsonl", content) == (
        ("a", "b"),
        [(1, None), ("x", '[1,{"c":null}]'), (None, True)],
    )


def test_a_workbooks_cells_keep_their_types_and_formulas_read_as_values() -> None:
    def fill(sheet: Any, book: Any) -> None:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(2, 1, ["text", "number", "sum", "day", "flag"])
        sheet.write_string(3, 1, "=1+1")
        sheet.write_number(3, 2, 1.5)
        sheet.write_formula(3, 3, "=40+2", None, 42)
        sheet.write_datetime(3, 4, datetime.datetime(2026, 11, 30), day)  # noqa: DTZ001 -- Excel's
        sheet.write_boolean(3, 5, True)

    assert table("a.xlsx", workbook(fill)) == (
        ("text", "number", "sum", "day", "flag"),
        [("=1+1", 1.5, 42, "2026-11-30", True)],
    )


def test_a_sheet_is_chosen_by_its_name() -> None:
    def fill(_: Any, book: Any) -> None:
        book.add_worksheet("Second").write_column(0, 0, ["a", "b"])

    assert table("a.xlsx", workbook(fill), sheet="Second") == (("a",), [("b",)])
    with pytest.raises(SheetRefused, match="no sheet of this name"):
        table("a.xlsx", workbook(fill), sheet="Third")


BAD: dict[str, tuple[str, bytes, str, int | None]] = {
    "an empty file": ("a.csv", b"", "empty_file", None),
    "only line ends": ("a.csv", b"\n\n\n", "empty_file", None),
    "an empty workbook": ("a.xlsx", of_rows(), "empty_file", None),
    "no header": ("a.csv", b"1,2\n3,4\n", "no_header", 1),
    "a header of numbers": ("a.xlsx", of_rows([1, 2.5], ["a", "b"]), "no_header", 1),
    "a column without a name": ("a.csv", b"a,,c\n1,2,3\n", "unnamed_column", 1),
    "duplicate columns": ("a.csv", b"a,b, a\n1,2,3\n", "duplicate_column", 1),
    "too many cells": ("a.csv", b"a,b\n1,2\n1,2,3\n1,2\n", "broken_row", 3),
    "too few cells": ("a.csv", b"a,b\n1,2\n1\n1,2\n", "broken_row", 3),
    "a quotation mark too few": ("a.csv", b'a,b\n1,2\n"1,2\n3,4\n', "broken_row", 3),
    "text behind a quoted cell": ("a.csv", b'a,b\n1,2\n"1"x,2\n', "broken_row", 3),
    "a broken line of JSON": ("a.jsonl", b'{"a": 1}\n{"a": \n', "broken_row", 2),
    "a key twice": ("a.jsonl", b'{"a": 1}\n{"a": 1, "a": 2}\n', "broken_row", 2),
    "mixed encodings": ("a.csv", "a\nä\n".encode() + b"\xe4\n", "mixed_encodings", 3),
    "a cell of 5 MB": ("a.csv", b"a,b\n1,2\n" + b"x" * 5_000_000 + b",1\n", "cell_too_long", 3),
    "a NUL character": ("a.csv", b"a,b\n1,2\n1,\x00\n3,4\n", "not_text", 3),
    "a NUL character far down": ("a.csv", b"a,b\n" + b"1,2\n" * 40_000 + b"\0", "not_text", 40_002),
    "a NUL character in UTF-16": ("a.csv", "a,b\n1,2\n1,\0\n".encode("utf-16"), "not_text", 3),
    "UTF-16 without its mark": ("a.csv", "a,b\n1,2\n".encode("utf-16-le"), "not_text", 1),
    "a name that says nothing": ("a.doc", b"a,b\n", "unknown_format", None),
    "no workbook": ("a.xlsx", b"a,b\n", "unreadable_workbook", None),
    "a damaged workbook": ("a.xlsx", of_rows(["a"])[:-40], "unreadable_workbook", None),
    "an old workbook": ("a.xls", b"\xd0\xcf\x11\xe0" + b"x" * 900, "unreadable_workbook", None),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_place(case: str) -> None:
    name, content, code, line = BAD[case]
    error = refused(name, content)
    assert (error.code, error.extra["line"]) == (code, line)


def test_a_refusal_never_quotes_a_cell() -> None:
    for content in (b"a,b\nsecret-1,2,secret-3\n", b'a,b\n"secret-1"x,secret-3\n'):
        assert "secret" not in refused("a.csv", content).message


def test_a_duplicate_is_named_with_both_places() -> None:
    message = refused("a.csv", b"ward,note,ward\n").message
    assert "column C (ward)" in message
    assert "column A" in message


def test_a_zip_bomb_is_refused_before_it_unfolds() -> None:
    assert refused("a.xlsx", bomb(450_000_000, lying=False)).code == "workbook_too_large"


def test_a_zip_bomb_that_lies_about_its_size_is_refused() -> None:
    assert refused("a.xlsx", bomb(100_000_000, lying=True)).code in {
        *("workbook_too_large", "unreadable_workbook")
    }


def test_a_workbook_that_unfolds_to_more_than_the_ceiling_ends_its_reader_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbook_module, "MEMORY_BYTES", 200_000_000)
    assert refused("a.xlsx", bomb(250_000_000, lying=False)).code == "workbook_too_large"


def test_one_cell_at_the_end_of_the_sheet_does_not_take_all_memory() -> None:
    def fill(sheet: Any, _: Any) -> None:
        sheet.write_column(0, 0, ["a", "b"])
        sheet.write(1_048_575, 16_383, "x")

    assert refused("a.xlsx", workbook(fill)).code == "workbook_too_large"


def test_a_claim_of_ten_gigabytes_is_refused_without_reading_them() -> None:
    def pieces() -> Iterator[bytes]:
        yield of_rows(["a"])[:64]
        raise AssertionError("read on")

    claimed = Source(name="a.xlsx", size_bytes=10 * 1024**3, pieces=pieces)
    with pytest.raises(SheetRefused) as caught:
        read(claimed)
    assert caught.value.code == "workbook_too_large"


def test_a_line_without_an_end_is_refused_before_it_is_all_in_memory() -> None:
    given = 0

    def pieces() -> Iterator[bytes]:
        nonlocal given
        for _ in range(1000):
            given += 1
            yield b"x" * 1_000_000

    with pytest.raises(SheetRefused) as caught:
        read(Source(name="a.csv", size_bytes=10**9, pieces=pieces))
    assert caught.value.code == "line_too_long"
    assert given < 50


def test_the_first_bytes_are_read_whatever_the_pieces() -> None:
    content = io.BytesIO("a,b\nä,1\n".encode("utf-16")).getvalue()

    def pieces() -> Iterator[bytes]:
        for at in range(len(content)):
            yield content[at : at + 1]

    columns, rows = read(Source(name="a.csv", size_bytes=len(content), pieces=pieces))
    assert (columns, list(rows)) == (("a", "b"), [("ä", "1")])
