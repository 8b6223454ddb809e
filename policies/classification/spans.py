"""What a recognizer is made of: triggers that locate, and a finder that confirms.

A trigger is a regular expression in the dialect that Hyperscan and `re` (bytes, ASCII) share. It
only says *where to look*: the finder decides, on the text, with checksums and context.

INVARIANT: whatever a finder confirms lies inside the region that one of its triggers opens
(`back` characters before a trigger's end to `ahead` after it). So searching regions and
searching the whole text give the same findings.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

# Between two texts that are scanned as one. Not whitespace for the expressions used here, no
# word character, and taken out of the texts themselves before joining.
SEPARATOR = "\x1e"


def join(texts: Iterable[str]) -> str:
    """The texts as one, each with a separator on both sides, so that every trigger can ask
    for the character before or after its match."""
    return SEPARATOR + SEPARATOR.join(texts) + SEPARATOR


# How far a match may run past the region it starts in (characters). Expressions given to
# `search` match at most this much.
OVERHANG = 256
# The same for numbers, which are short: it keeps a single number cheap.
NUMBER_OVERHANG = 64


class Span(NamedTuple):
    """A confirmed match: offsets into the text that was searched, its class, 0..1."""

    start: int
    end: int
    data_class: str
    score: float


Finder = Callable[[str, int, int], Iterable[Span]]


@dataclass(frozen=True, slots=True)
class Trigger:
    """Where to look. `back` and `ahead` are characters around the *end* of a match.

    `once`: fires at most once per scan, and the whole text is the region.
    """

    expression: str
    back: int = 0
    ahead: int = 0
    caseless: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Triggers and the finder they wake. `classes` maps each data class to its category."""

    name: str
    classes: tuple[tuple[str, str], ...]
    triggers: tuple[Trigger, ...]
    find: Finder


Check = Callable[[re.Match[str]], float]


def search(
    pattern: re.Pattern[str],
    text: str,
    start: int,
    end: int,
    check: Check,
    *,
    overhang: int = OVERHANG,
) -> Iterator[tuple[int, int, float]]:
    """Matches that begin in [start, end) and for which `check` gives a score above 0.

    A refused match is retried one character on, so that a false start hides nothing. Linear,
    because an expression matches at most `overhang` characters.
    """
    limit = min(len(text), end + overhang)
    position = start
    while (match := pattern.search(text, position, limit)) is not None and match.start() < end:
        score = check(match)
        if score > 0:
            yield match.start(), match.end(), score
            position = match.end()
        else:
            position = match.start() + 1


def search_number(
    pattern: re.Pattern[str], text: str, start: int, end: int, check: Check
) -> Iterator[tuple[int, int, float]]:
    """`search` for expressions that match at most NUMBER_OVERHANG characters."""
    return search(pattern, text, start, end, check, overhang=NUMBER_OVERHANG)


def compile_text(expression: str, flags: int = 0) -> re.Pattern[str]:
    """Compile with ASCII classes, as Hyperscan reads them; whitespace in it is for the reader."""
    return re.compile(expression, re.ASCII | re.VERBOSE | flags)


def before(text: str, start: int, words: re.Pattern[str], reach: int = 48) -> bool:
    """Whether one of `words` stands in the `reach` characters before `start`, also in the text
    before it (a JSON key and its value are neighbours)."""
    return words.search(text, max(0, start - reach), start) is not None


def named(text: str, start: int, words: re.Pattern[str], reach: int = 32) -> bool:
    """Like `before`, with no digit and no line break between the words and `start`: what stands
    before another number names that one."""
    lead = _BREAK.split(text[max(0, start - reach) : start])[-1]
    # Lists of numbers are common, words between them are not.
    return len(lead) > 2 and words.search(lead) is not None


_BREAK = re.compile(r"[0-9\n]")


def digits_of(text: str) -> str:
    """Only the ASCII digits."""
    return "".join([c for c in text if "0" <= c <= "9"])
