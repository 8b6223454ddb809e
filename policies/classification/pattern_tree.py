"""What a pattern is made of, once it is read: characters, borders, rows, choices, repetitions."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from policies.classification.spans import SEPARATOR


class PatternError(ValueError):
    """A pattern that is refused. `position` counts its characters from 1."""

    def __init__(self, position: int, sentence: str, advice: str) -> None:
        super().__init__(f"At character {position}: {sentence} {advice}")
        self.position = position
        self.sentence = sentence
        self.advice = advice


class Kind(StrEnum):
    """What a character is, for classes such as `\\d`. Every character is of one kind."""

    DIGIT = "digit"
    LETTER = "letter"  # and the underscore
    SPACE = "space"
    OTHER = "other"


WORD = frozenset({Kind.DIGIT, Kind.LETTER})


def kind_of(character: str) -> Kind:
    """The kind of one character, of any script."""
    if character.isdecimal():
        return Kind.DIGIT
    if character.isalnum() or character == "_":
        return Kind.LETTER
    return Kind.SPACE if character.isspace() else Kind.OTHER


@dataclass(frozen=True, slots=True)
class CharSet:
    """Some characters: single ones, ranges (both ends in), kinds; or all but these.

    The separator of texts is never in it, so that no match runs from one text into the next.
    """

    singles: frozenset[int] = frozenset()
    ranges: tuple[tuple[int, int], ...] = ()
    kinds: frozenset[Kind] = frozenset()
    negated: bool = False

    def holds(self, code: int, kind: Kind) -> bool:
        """Whether a character of this kind is in it."""
        if code == ord(SEPARATOR):
            return False
        inside = (
            kind in self.kinds
            or code in self.singles
            or any(low <= code <= high for low, high in self.ranges)
        )
        return inside != self.negated


@dataclass(frozen=True)
class Chars:
    """One character of a set. `position` is where it was written, from 1."""

    set: CharSet
    position: int = 1
    size = least = most = 1


@dataclass(frozen=True)
class Boundary:
    """The border of a word, or any other place."""

    negated: bool
    size = 1
    least = most = 0


@dataclass(frozen=True)
class Row:
    """One after the other."""

    items: "tuple[Node, ...]"

    @cached_property
    def size(self) -> int:
        """Characters once written out."""
        return max(1, sum(item.size for item in self.items))

    @cached_property
    def least(self) -> int:
        """The fewest characters it matches."""
        return sum(item.least for item in self.items)

    @cached_property
    def most(self) -> int:
        """The most characters it matches."""
        return sum(item.most for item in self.items)


@dataclass(frozen=True)
class Either:
    """One of several."""

    items: "tuple[Node, ...]"

    @cached_property
    def size(self) -> int:
        """Characters once written out."""
        return sum(item.size for item in self.items)

    @cached_property
    def least(self) -> int:
        """The fewest characters it matches."""
        return min(item.least for item in self.items)

    @cached_property
    def most(self) -> int:
        """The most characters it matches."""
        return max(item.most for item in self.items)


@dataclass(frozen=True)
class Repeat:
    """`item` at least `low` and at most `high` times."""

    item: "Node"
    low: int
    high: int

    @cached_property
    def size(self) -> int:
        """Characters once written out."""
        return max(1, self.item.size * self.high)

    @cached_property
    def least(self) -> int:
        """The fewest characters it matches."""
        return self.item.least * self.low

    @cached_property
    def most(self) -> int:
        """The most characters it matches."""
        return self.item.most * self.high


Node = Chars | Boundary | Row | Either | Repeat
