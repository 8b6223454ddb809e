"""OpenAI's input format: lines, places, and what is wrong with them."""

import pytest

from gateway.batches.jsonl import split

TEXT = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"b": "\xc3\xa4"}\n{"c": 3}'


def found(pieces: list[bytes], most: int = 100) -> list[tuple[int, int, int, bytes | None]]:
    lines = split(pieces, max_line_bytes=most)
    return [(each.place.line, each.place.offset, each.place.length, each.text) for each in lines]


def test_lines_are_the_same_wherever_the_pieces_end() -> None:
    whole = found([TEXT])
    assert [(line, text) for line, _, _, text in whole] == [
        (1, b'{"a": 1}'),
        (4, b'{"b": "\xc3\xa4"}'),
        (5, b'{"c": 3}'),
    ]
    for offset in range(len(TEXT) + 1):
        assert found([TEXT[:offset], TEXT[offset:]]) == whole
    assert found([TEXT[at : at + 1] for at in range(len(TEXT))]) == whole


def test_a_place_points_at_its_text() -> None:
    for _, offset, length, text in found([TEXT]):
        assert TEXT[offset : offset + length] == text


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_too_long_a_line_is_named_and_the_next_one_is_right(size: int) -> None:
    content = b"{}\n" + b"x" * 5000 + b"\n{}\n"
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    assert [(line, text) for line, _, _, text in found(pieces)] == [
        (1, b"{}"),
        (2, None),
        (3, b"{}"),
    ]
