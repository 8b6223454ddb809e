"""A project's own words: names of products, customers, matters.

Words are matched whole, whatever their case and the white space between them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.classification.locate import HAS_HYPERSCAN, HyperscanLocator
from policies.classification.recognizers import DATA_CLASSES
from policies.classification.spans import Span, Trigger


@dataclass(frozen=True, slots=True)
class WordList:
    """A named list. Its data class is the name in upper case: `customers` gives CUSTOMERS."""

    name: str
    category: str
    words: tuple[str, ...]

    @property
    def data_class(self) -> str:
        """The class its findings carry: letters, digits and underscores."""
        return re.sub(r"\W+", "_", self.name.strip()).upper()


class WordMatcher:
    """All lists of a project, compiled. `hyper` False: without Hyperscan, the same findings."""

    __slots__ = ("_entries", "_locator", "categories")

    def __init__(self, lists: Sequence[WordList], *, hyper: bool = True) -> None:
        entries: dict[tuple[str, str], re.Pattern[str]] = {}
        for word_list in lists:
            for word in word_list.words:
                for variant in variants(word):
                    entries.setdefault((word_list.data_class, variant), _pattern(variant))
        # Of everything that may be found: the shipped classes and the lists'.
        self.categories: Mapping[str, str] = {
            **{item.data_class: item.category for item in lists},
            **DATA_CLASSES,
        }
        self._entries = [(data_class, pattern) for (data_class, _), pattern in entries.items()]
        self._locator = None
        if hyper and HAS_HYPERSCAN and entries:
            self._locator = HyperscanLocator([_prefilter(variant) for _, variant in entries])

    def find(self, text: str) -> Iterator[Span]:
        """Every occurrence of every word."""
        for index in self._candidates(text):
            data_class, pattern = self._entries[index]
            for match in pattern.finditer(text):
                yield Span(match.start(), match.end(), data_class, 1.0)

    def _candidates(self, text: str) -> Iterable[int]:
        if self._locator is None:
            return range(len(self._entries))
        hits = self._locator.locate(text.encode("utf-8", "replace"))
        return sorted({index for index, _ in hits})


def variants(word: str) -> list[str]:
    """The word in composed form, and without its accents (what folding makes of loose ones)."""
    composed = " ".join(unicodedata.normalize("NFKC", word).split())
    bare = "".join(
        [c for c in unicodedata.normalize("NFD", composed) if unicodedata.category(c) != "Mn"]
    )
    return [variant for variant in dict.fromkeys((composed, bare)) if variant]


def _pattern(word: str) -> re.Pattern[str]:
    body = r"\s{1,8}".join(re.escape(part) for part in word.split())
    # A boundary only where the script has words: Chinese and Japanese have none.
    head = r"(?<!\w)" if _has_words(word[0]) else ""
    tail = r"(?!\w)" if _has_words(word[-1]) else ""
    return re.compile(f"{head}{body}{tail}", re.IGNORECASE)


def _has_words(character: str) -> bool:
    return character.isalnum() and ord(character) < 0x2E80


def _prefilter(word: str) -> Trigger:
    """Fires wherever the word may stand, in UTF-8: characters outside ASCII are any character,
    because how their case folds is not Hyperscan's business."""
    parts = [
        "".join([re.escape(c) if c.isascii() else _WIDE for c in part]) for part in word.split()
    ]
    return Trigger(r"(?:\s|[\x80-\xff]){1,24}".join(parts), caseless=True, once=True)


_WIDE = r"(?:[A-Za-z]|[\x80-\xff]{1,4})"
