"""Tool-call arguments: JSON within a string, which stays JSON when values in it are replaced."""

import json
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

# Strings and numbers of a text that is known to be JSON; nothing else in it holds a value.
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
_CHARACTER = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u....|\\.|.")


_HALF = re.compile("[\ud800-\udfff]")


class Part(NamedTuple):
    """What is to be replaced within one literal, by offsets into the text that it stands for.

    `number` is the place of the span in the caller's list.
    """

    start: int
    end: int
    number: int


def replace_in_json(
    text: str, spans: Iterable[tuple[int, int]], replace: Callable[[str, list[Part]], str]
) -> str | None:
    """JSON source with spans of it replaced literal by literal; None when it is no JSON.

    `replace` gets what a literal stands for (a string's characters, a number as written) and the
    parts of it that spans cover. A number of which anything is replaced becomes a string.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    ordered = sorted((start, end, number) for number, (start, end) in enumerate(spans))
    pieces: list[str] = []
    copied = 0
    for literal in _LITERAL.finditer(text):
        touching = [
            each for each in ordered if each[0] < literal.end() and literal.start() < each[1]
        ]
        if not touching:
            continue
        new = _replaced(literal[0], literal.start(), touching, replace)
        pieces += (text[copied : literal.start()], new)
        copied = literal.end()
    pieces.append(text[copied:])
    return "".join(pieces)


def _replaced(
    literal: str,
    at: int,
    touching: list[tuple[int, int, int]],
    replace: Callable[[str, list[Part]], str],
) -> str:
    if literal[0] != '"':
        parts = [
            Part(max(0, start - at), min(len(literal), end - at), number)
            for start, end, number in touching
        ]
        return _written(replace(literal, parts))
    value, origins = _read(literal)
    parts = []
    for start, end, number in touching:
        inside = [
            i for i, origin in enumerate(origins) if start - at < origin[1] and origin[0] < end - at
        ]
        if inside:
            parts.append(Part(inside[0], inside[-1] + 1, number))
    return _written(replace(value, parts)) if parts else literal


def _written(value: str) -> str:
    """A string literal; half of a surrogate pair stays an escape, as only an escape spells it."""
    literal = json.dumps(value, ensure_ascii=False)
    return literal if _HALF.search(literal) is None else json.dumps(value)


def _read(literal: str) -> tuple[str, list[tuple[int, int]]]:
    """A string literal's characters, each with where it was written."""
    characters: list[str] = []
    origins: list[tuple[int, int]] = []
    for match in _CHARACTER.finditer(literal, 1, len(literal) - 1):
        written = match[0]
        characters.append(written if len(written) == 1 else json.loads(f'"{written}"'))
        origins.append(match.span())
    return "".join(characters), origins
