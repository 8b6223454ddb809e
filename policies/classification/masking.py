"""Replacing what was found: one request, one project, one vendor.

Pure. Which spans are replaced and how is decided elsewhere; this holds what the replacements look
like and remembers what each placeholder stands for, so that an answer can be restored.

INVARIANT: a replaced value longer than three characters stands in the result only where it also
stood outside the replaced spans.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from policies.classification.partial import canonical, partly
from policies.classification.placeholders import keyed_hash, placeholder, places

STRICTNESS: Mapping[str, int] = MappingProxyType(
    {"partial": 0, "hash": 1, "placeholder": 2, "remove": 3}
)


class Replacement(NamedTuple):
    """A span of a text, in characters, and what becomes of it.

    `mode`: `remove`, `placeholder`, `hash` or `partial`.
    """

    start: int
    end: int
    data_class: str
    mode: str


class Masking:
    """The replacements of one request for one project and vendor.

    `key`: 32 secret bytes of that project and vendor; the same key gives the same words.
    """

    __slots__ = ("_count", "_key", "_minted", "_own", "_words")

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("A masking key has at least 32 bytes.")
        self._key = key
        self._minted: dict[str, str] = {}
        self._words: dict[tuple[str, str], str] = {}
        # Every placeholder and hash made here, by its lower-case form.
        self._own: dict[str, str] = {}
        self._count = 0

    @property
    def minted(self) -> Mapping[str, str]:
        """Placeholder -> the exact value it stands for; hashes are not among them."""
        return MappingProxyType(self._minted)

    @property
    def count(self) -> int:
        """How many spans were replaced, overlapping ones counted once."""
        return self._count

    def apply(self, text: str, replacements: Sequence[Replacement]) -> str:
        """The text with every span replaced.

        Any order. Spans that overlap become one, with the strictest mode among them. Raises
        ValueError for a mode it does not know and for a span outside the text.
        """
        pieces: list[str] = []
        copied = 0
        for start, end, data_class, mode in merged(replacements):
            if start < 0 or end > len(text):
                raise ValueError("A replacement lies outside its text.")
            pieces += (text[copied:start], self._replaced(text[start:end], data_class, mode))
            copied = end
            self._count += 1
        pieces.append(text[copied:])
        return "".join(pieces)

    def covers(self, text: str, start: int, end: int) -> bool:
        """Whether [start, end) of a masked text lies wholly inside words made here."""
        reached = start
        for place in places(text, self._own):
            if place.start <= reached < place.end:
                reached = place.end
            if reached >= end:
                return True
        return False

    def _replaced(self, value: str, data_class: str, mode: str) -> str:
        if mode == "placeholder":
            return self._placeholder(value, data_class)
        if mode == "hash":
            word = keyed_hash(self._key, data_class, canonical(data_class, value))
            self._own[word.lower()] = word
            return word
        if mode == "partial":
            return partly(data_class, value)
        return ""

    def _placeholder(self, value: str, data_class: str) -> str:
        known = self._words.get((data_class, value))
        if known is not None:
            return known
        attempt = 0
        while True:
            word = placeholder(self._key, data_class, value, attempt=attempt)
            if word not in self._minted:
                break
            attempt += 1
        self._words[data_class, value] = word
        self._minted[word] = value
        self._own[word.lower()] = word
        return word


def merged(replacements: Iterable[Replacement]) -> list[Replacement]:
    """In order of their places, overlapping ones as one: the union of the spans, with the
    strictest mode and its class."""
    result: list[Replacement] = []
    for item in sorted(replacements):
        if item.mode not in STRICTNESS:
            raise ValueError(f"{item.mode!r} is no mode of masking.")
        last = result[-1] if result else None
        if last is None or item.start >= last.end:
            result.append(item)
            continue
        strictest = item if STRICTNESS[item.mode] > STRICTNESS[last.mode] else last
        result[-1] = Replacement(
            last.start, max(last.end, item.end), strictest.data_class, strictest.mode
        )
    return result
