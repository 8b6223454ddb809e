"""Labels and how they join (semantic rule 1).

A label is (sensitivity, categories). It only ever rises: there is no operation here that
lowers one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType


class Sensitivity(IntEnum):
    """How bad it would be if the bytes reached the wrong reader; a higher value is worse."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3

    @property
    def word(self) -> str:
        """The name users see and write: `public`, `internal`, `confidential`, `restricted`."""
        return _WORDS[self]

    @classmethod
    def from_word(cls, word: str) -> "Sensitivity":
        """Read a name as users write it, in any case. Raises ValueError naming the choices."""
        try:
            return cls[word.strip().upper()]
        except KeyError:
            choices = ", ".join(member.word for member in cls)
            raise ValueError(f"unknown sensitivity {word!r}: use one of {choices}") from None


_WORDS = tuple(member.name.lower() for member in Sensitivity)


@dataclass(frozen=True, slots=True)
class Label:
    """What is known about some bytes. Build joined labels through `Taxonomy.join` only."""

    sensitivity: Sensitivity = Sensitivity.PUBLIC
    categories: frozenset[str] = frozenset()

    @property
    def words(self) -> str:
        """As a declaration writes it: `confidential, health`. Empty when it says nothing."""
        if self.sensitivity is Sensitivity.PUBLIC and not self.categories:
            return ""
        return ", ".join([self.sensitivity.word, *sorted(self.categories)])

    def joined(self, other: "Label") -> "Label":
        """Both, without the minimums of any taxonomy: for labels that are kept. Whoever decides
        joins them through the project's taxonomy again."""
        return Label(max(self.sensitivity, other.sensitivity), self.categories | other.categories)


PUBLIC = Label()
_UNKNOWN = Sensitivity.RESTRICTED  # the minimum of a category that no taxonomy knows

DEFAULT_MINIMUMS: Mapping[str, Sensitivity] = MappingProxyType(
    {
        "code": Sensitivity.INTERNAL,
        "personal": Sensitivity.CONFIDENTIAL,
        "payment": Sensitivity.CONFIDENTIAL,
        "legal": Sensitivity.CONFIDENTIAL,
        "health": Sensitivity.RESTRICTED,
        "secret": Sensitivity.RESTRICTED,
    }
)


class Taxonomy:
    """The categories of one project and the least sensitivity each brings with it.

    INVARIANT: a project's minimum is never below the organisation's, nor the organisation's
    below the default.
    """

    __slots__ = ("minimums",)

    def __init__(self, minimums: Mapping[str, Sensitivity] = DEFAULT_MINIMUMS) -> None:
        self.minimums: Mapping[str, Sensitivity] = MappingProxyType(dict(minimums))

    def raised(self, changes: Mapping[str, Sensitivity]) -> "Taxonomy":
        """A taxonomy with some minimums raised and new categories added.

        Raises ValueError when a change would lower a minimum.
        """
        merged = dict(self.minimums)
        for category, minimum in changes.items():
            if minimum < merged.get(category, Sensitivity.PUBLIC):
                raise ValueError(
                    f"category {category!r} needs at least {merged[category].word}; "
                    f"{minimum.word} would lower it"
                )
            merged[category] = minimum
        return Taxonomy(merged)

    def join(self, labels: Iterable[Label]) -> Label:
        """Maximum of sensitivities, union of categories, raised to each category's minimum.

        A category that the taxonomy does not know counts as restricted: unknown is worst.
        """
        # Comparisons, not max(), and no copies: every request passes here several times.
        joined = PUBLIC
        sensitivity, categories = joined.sensitivity, joined.categories
        for label in labels:
            if label.sensitivity > sensitivity:
                sensitivity = label.sensitivity
                joined = label
            if not label.categories <= categories:
                categories = categories | label.categories if categories else label.categories
                joined = label
        for category in categories:
            minimum = self.minimums.get(category, _UNKNOWN)
            sensitivity = max(sensitivity, minimum)
        if joined.sensitivity == sensitivity and joined.categories == categories:
            return joined
        return Label(sensitivity, categories)

    @property
    def worst(self) -> Label:
        """(restricted, every category): the label of opaque content (semantic rule 6)."""
        return Label(Sensitivity.RESTRICTED, frozenset(self.minimums))
