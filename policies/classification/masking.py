"""Replacing what was found: one request, one project, one vendor.

Pure. Which spans are replaced and how is decided elsewhere; this holds what the replacements look
like and remembers what each placeholder stands for, so that an answer can be restored.

INVARIANT: a replaced value longer than three characters stands in the result only where it also
stood outside the replaced spans.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from policies.classification.partial import REMOVED, canonical, partly
from policies.classification.placeholders import FORM, Words, keyed_hash, placeholder

STRICTNESS: Mapping[str, int] = MappingProxyType(
    {"partial": 0, "hash": 1, "placeholder": 2, "remove": 3}
)
KEY_BYTES = 32
# Shorter values are parts of words everywhere.
_TELLING = 4

# After a credential in front of its host; a word there would read as the name in an address.
_HOST = re.compile(r"@[^\s/?#\"'<>@\x1e]*")
_CLOSING = " \n\r\t.,;:!?)]}"


class Replacement(NamedTuple):
    """A span of a text, in characters, and what becomes of it.

    `mode`: `remove`, `placeholder`, `hash` or `partial`.
    """

    start: int
    end: int
    data_class: str
    mode: str


class Placed(NamedTuple):
    """Where a replacement stands in the text that came out: from `start` to `end`, which are the
    same where something was taken out. What followed it goes on from there, perhaps without the
    space that it began with."""

    replaced: Replacement
    start: int
    end: int


class Masking:
    """The replacements of one request for one project and vendor.

    `key`: 32 secret bytes of that project and vendor; the same key gives the same words.
    """

    __slots__ = ("_count", "_key", "_minted", "_own", "_taken", "_words", "placed")

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"A masking key has at least {KEY_BYTES} bytes.")
        self._key = key
        self._minted: dict[str, str] = {}
        # (class, value, mode) -> its word.
        self._words: dict[tuple[str, str, str], str] = {}
        self._own = Words()
        self._taken: set[str] = set()
        self._count = 0
        # Of the text that `apply` made last.
        self.placed: list[Placed] = []

    @property
    def minted(self) -> Mapping[str, str]:
        """Placeholder -> the exact value it stands for; hashes are not among them."""
        return MappingProxyType(self._minted)

    @property
    def count(self) -> int:
        """How many spans were replaced, overlapping ones counted once."""
        return self._count

    def reserve(self, text: str) -> None:
        """Never mint a word that the request itself holds: what stands in `text` in the form of
        a placeholder is not ours. Call it for every text before the first `apply`."""
        self._taken.update(FORM.findall(text))

    def apply(self, text: str, replacements: Sequence[Replacement]) -> str:
        """The text with every span replaced.

        Any order. Spans that overlap become one, with the strictest mode among them. Raises
        ValueError for an unknown mode, for a span outside the text, and where a value would
        stay readable all the same.
        """
        self.placed = []
        if not replacements:
            return text
        self.reserve(text)
        spans = merged(replacements)
        if spans[0].start < 0 or spans[-1].end > len(text):
            raise ValueError("A replacement lies outside its text.")
        outside: list[str] = []
        words: list[str] = []
        replaced: list[Replacement] = []
        values: set[str] = set()
        copied = 0
        for start, end, data_class, mode in spans:
            stop = end
            if text[end : end + 1] == "@" and mode in {"placeholder", "hash"}:
                stop = self._past_host(text, end, spans)
            value = text[start:stop]
            replaced.append(Replacement(start, stop, data_class, mode))
            outside.append(text[copied:start])
            words.append(self._word(value, data_class, mode))
            copied = stop
            if end - start >= _TELLING:
                values.add(text[start:end])
        outside.append(text[copied:])
        self._count += len(spans)
        result, places = _joined(outside, words)
        if _stays(values, result, outside):
            # Two halves of it met where something was taken out.
            result, places = _joined(outside, [word or REMOVED for word in words])
            if _stays(values, result, outside):
                raise ValueError("A value would still be readable after masking.")
        self.placed = [Placed(each, *at) for each, at in zip(replaced, places, strict=True)]
        return result

    def covers(self, text: str, start: int, end: int) -> bool:
        """Whether [start, end) of a masked text lies wholly inside words made here."""
        reached = start
        for place in self._own.places(text):
            if place.start <= reached < place.end and place.word == text[place.start : place.end]:
                reached = place.end
            if reached >= end or place.start > reached:
                break
        return reached >= end

    def _past_host(self, text: str, end: int, spans: list[Replacement]) -> int:
        host = _HOST.match(text, end)
        stop = host.end() if host is not None else end
        # Another span's part of it stays that span's.
        return min([stop, *[span.start for span in spans if span.start >= end]])

    def _word(self, value: str, data_class: str, mode: str) -> str:
        if mode == "remove":
            return ""
        if mode == "partial":
            return partly(data_class, value)
        known = self._words.get((data_class, value, mode))
        if known is None:
            if mode == "hash":
                known = keyed_hash(self._key, data_class, canonical(data_class, value))
            else:
                known = self._mint(data_class, value)
            self._words[data_class, value, mode] = known
            self._own.add(known)
        return known

    def _mint(self, data_class: str, value: str) -> str:
        attempt = 0
        while True:
            word = placeholder(self._key, data_class, value, attempt=attempt)
            repeats = len(value) >= _TELLING and value in word
            if word not in self._minted and word not in self._taken and not repeats:
                self._minted[word] = value
                return word
            attempt += 1


def merged(replacements: Iterable[Replacement]) -> list[Replacement]:
    """In order of their places, overlapping ones as one: the union of the spans, with the
    strictest mode and its class. Empty spans are left out. Raises ValueError for a mode that it
    does not know."""
    result: list[Replacement] = []
    for item in sorted(replacements):
        if item.mode not in STRICTNESS:
            raise ValueError(f"{item.mode!r} is no mode of masking.")
        last = result[-1] if result else None
        if item.end <= item.start:
            continue
        if last is None or item.start >= last.end:
            result.append(item)
            continue
        strictest = item if STRICTNESS[item.mode] > STRICTNESS[last.mode] else last
        result[-1] = Replacement(
            last.start, max(last.end, item.end), strictest.data_class, strictest.mode
        )
    return result


def _joined(outside: Sequence[str], words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """What stood outside the spans with the words between, and where each word stands. Of the two
    spaces around something taken out one goes, too; where it stood between two words they are kept
    apart."""
    result = outside[0]
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    before = 0  # characters in `pieces`
    for word, piece in zip(words, outside[1:], strict=True):
        following = piece
        if word:
            pieces += (result, word)
            start = before + len(result)
            before = start + len(word)
            places.append((start, before))
            result = following
            continue
        if not result and pieces:
            result = pieces.pop()
            before -= len(result)
        if result.endswith(" ") and (not following or following[0] in _CLOSING):
            result = result[:-1]
        elif not result and not pieces and following.startswith(" "):
            following = following[1:]
        elif result[-1:].isalnum() and following[:1].isalnum():
            result += " "
        at = before + len(result)
        places.append((at, at))
        result += following
    pieces.append(result)
    return "".join(pieces), places


def _stays(values: Iterable[str], result: str, outside: Sequence[str]) -> bool:
    return any(value in result and not any(value in piece for piece in outside) for value in values)
