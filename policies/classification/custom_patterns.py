"""Recognizers that an organisation or a project defines for itself: patterns and their context.

A recognizer's data class is its name in upper case. Its patterns are of the dialect of
`pattern_syntax` and are searched for by RE2 alone, so Hyperscan, installed or not, makes no
difference. What they find only ever adds to what the shipped recognizers find.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.classification import checksums
from policies.classification.pattern_program import (
    Alphabet,
    Meter,
    Program,
    TooManyCharacters,
    sets_of,
)
from policies.classification.pattern_syntax import read_pattern
from policies.classification.pattern_tree import Node
from policies.classification.spans import Span
from policies.classification.word_lists import variants

# How far from a match a word of context may stand, on either side, in characters. The texts
# beside the match's own count, too: a JSON key and its value are neighbours.
CONTEXT_REACH = 64
CONTEXT_WORD_LENGTH = 40
DEFAULT_SCORE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRecognizer:
    """A data class by patterns. Any of `patterns` is a match; with `context`, only near one of
    these words; with `checksum` (a name of CHECKSUMS), only when it holds. `score` is 0..1.

    `must_match` and `must_not_match` are examples, tried when it is saved.
    """

    name: str
    category: str
    patterns: tuple[str, ...]
    context: tuple[str, ...] = ()
    checksum: str = ""
    ignore_case: bool = False
    score: float = DEFAULT_SCORE
    must_match: tuple[str, ...] = ()
    must_not_match: tuple[str, ...] = ()

    @property
    def data_class(self) -> str:
        """The class its findings carry: `customer-number` gives CUSTOMER_NUMBER."""
        return re.sub(r"\W+", "_", self.name.strip()).upper()

    def trees(self) -> list[Node]:
        """Its patterns, read. Raises PatternError."""
        return [read_pattern(text, ignore_case=self.ignore_case) for text in self.patterns]


class CustomMatcher:
    """The recognizers of a project, compiled. Raises PatternError, TooManyCharacters."""

    __slots__ = ("_groups", "categories")

    def __init__(self, recognizers: Sequence[CustomRecognizer]) -> None:
        self.categories: Mapping[str, str] = {
            item.data_class: item.category for item in recognizers
        }
        self._groups = list(_groups([(item, item.trees()) for item in recognizers]))

    def find(self, text: str, tick: Callable[[], None]) -> Iterator[Span]:
        """Every match in the joined texts. `tick` is called every few hundred of them.

        Raises TooManyHits for a text that takes more work than its length explains.
        """
        meter = Meter(tick)
        for group in self._groups:
            yield from group.find(text, meter)


class _Group:
    """Recognizers that share an alphabet, so that a text is encoded for all of them at once."""

    __slots__ = ("_alphabet", "_members")

    def __init__(self, members: Sequence[tuple[CustomRecognizer, list[Node]]]) -> None:
        self._alphabet = Alphabet(sets_of(tree for _, trees in members for tree in trees))
        self._members = [
            (item, [Program(tree, self._alphabet) for tree in trees], _words(item.context))
            for item, trees in members
        ]

    def find(self, text: str, meter: Meter) -> Iterator[Span]:
        data = self._alphabet.encode(text)
        for item, programs, words in self._members:
            keep = _Keep(text, words, CHECKSUMS[item.checksum] if item.checksum else None)
            for program in programs:
                for start, end in program.find(data, meter, keep):
                    yield Span(start, end, item.data_class, item.score)


def _groups(members: Sequence[tuple[CustomRecognizer, list[Node]]]) -> Iterator[_Group]:
    if not members:
        return
    try:
        yield _Group(members)
    except TooManyCharacters:
        if len(members) == 1:
            raise
        half = len(members) // 2
        yield from _groups(members[:half])
        yield from _groups(members[half:])


class _Keep:
    """Whether a match counts: its checksum and its context, in one text."""

    __slots__ = ("_checksum", "_places", "_text", "_words")

    def __init__(
        self, text: str, words: re.Pattern[str] | None, checksum: "Checksum | None"
    ) -> None:
        self._text = text
        self._words = words
        self._checksum = checksum
        self._places: list[tuple[int, int]] | None = None

    def __call__(self, start: int, end: int) -> bool:
        if self._checksum is not None and not self._checksum(self._text[start:end]):
            return False
        return self._words is None or self._is_near(self._words, start, end)

    def _is_near(self, words: re.Pattern[str], start: int, end: int) -> bool:
        if self._places is None:
            # Once per text, whatever the number of matches: so the work stays linear.
            self._places = [match.span() for match in words.finditer(self._text)]
        first = bisect_left(self._places, (start - CONTEXT_REACH - 2 * CONTEXT_WORD_LENGTH, 0))
        for begin, stop in self._places[first:]:
            if begin >= end + CONTEXT_REACH:
                return False
            before = stop <= start and stop > start - CONTEXT_REACH
            if before or begin >= end:
                return True
        return False


def _words(context: Sequence[str]) -> re.Pattern[str] | None:
    if not context:
        return None
    forms = {form for word in context for form in variants(word)}
    # The longest first, so that a word does not hide a longer one that begins alike.
    longest_first = sorted(forms, key=len, reverse=True)
    body = "|".join(
        [r"[\s_-]{1,4}".join([re.escape(part) for part in form.split()]) for form in longest_first]
    )
    # Letters and digits end no word, underscores and hyphens do: `customer_no`.
    return re.compile(rf"(?<![^\W_])(?:{body})(?![^\W_])", re.IGNORECASE)


# --- checksums --------------------------------------------------------------------------------

Checksum = Callable[[str], bool]


def _over_digits(check: Callable[[str], bool], least: int, most: int) -> Checksum:
    def holds(text: str) -> bool:
        # Of any script: `int` knows them all.
        digits = "".join([str(int(c)) for c in text if c.isdecimal()])
        return least <= len(digits) <= most and check(digits)

    return holds


def _iban(text: str) -> bool:
    characters = "".join([c for c in text.upper() if c.isascii() and c.isalnum()])
    return len(characters) >= 5 and checksums.iban(characters)


# By name. Each is computed over the digits of a match; `iban` over its letters, too.
CHECKSUMS: Mapping[str, Checksum] = {
    "luhn": _over_digits(checksums.luhn, 2, 128),
    "iban": _iban,
    "mod_11_10": _over_digits(checksums.mod_11_10, 2, 128),
    "ean13": _over_digits(checksums.ean13, 13, 13),
    "nhs_number": _over_digits(checksums.nhs_number, 10, 10),
    "dutch_eleven": _over_digits(checksums.dutch_eleven, 9, 9),
}
