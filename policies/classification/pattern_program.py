"""From the tree of a pattern to a program that RE2 runs over bytes.

Characters that a pattern cannot tell apart become one byte before RE2 sees them. So programs are
as small for Cyrillic as for ASCII, a byte is a character, offsets need no translation, and the
border of a word is the same for every script.

RE2 takes time linear in the length of the text for one search. Searching on after each match could
still be quadratic, if a short match had to look far ahead; a pattern consumes at most MAX_SIZE
characters, so a match looks no farther than that, and `Meter` counts what is looked at.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

import re2  # type: ignore[import-untyped]

from policies.classification.locate import TooManyHits
from policies.classification.pattern_states import MAX_STATES, count_states
from policies.classification.pattern_syntax import MAX_SIZE
from policies.classification.pattern_tree import (
    WORD,
    Boundary,
    Chars,
    CharSet,
    Either,
    Kind,
    Node,
    PatternError,
    Repeat,
    kind_of,
)

# Instructions of RE2; a pattern of MAX_SIZE characters has a few per character at most.
MAX_PROGRAM = 4 * MAX_SIZE
# Of RE2's caches, per pattern. A third of it is for searching forwards; a state takes about 0.5 kB,
# and patterns that are saved have MAX_STATES at most.
_CACHE_BYTES = 3 << 20
# Characters looked at in one text per pattern, beyond which the text counts as unread: what a
# pattern may look at again for each of its matches. Ordinary texts stay below 3 per character.
_LOOKS_PER_CHARACTER = 8
_LOOKS_ANYWAY = 65_536
MAX_MATCHES = 20_000  # of one pattern in one text
_TICK_EVERY = 256

_WORD_BYTES = bytes(code for code in range(128) if kind_of(chr(code)) in WORD)
_OTHER_BYTES = bytes(range(128, 256))
_CACHED_CHARACTERS = 20_000


class TooManyCharacters(ValueError):
    """Patterns that tell more characters apart than fit into bytes."""


class Meter:
    """What searching cost: characters looked at, and matches. `tick` is called now and then."""

    __slots__ = ("_tick", "looked_at", "matches")

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        self._tick = tick
        self.looked_at = 0
        self.matches = 0

    def add(self, characters: int) -> None:
        """Count one search."""
        self.looked_at += characters
        self.matches += 1
        if not self.matches % _TICK_EVERY:
            self._tick()


class Alphabet(dict[int, int]):
    """Characters to bytes, for some patterns: ASCII as it is, others by what the patterns tell
    apart. Raises TooManyCharacters when that is more than 128 kinds of them."""

    def __init__(self, sets: Sequence[CharSet]) -> None:
        super().__init__()
        self._sets = sets
        edges = {128}
        for item in sets:
            edges.update(code + after for code in item.singles for after in (0, 1))
            edges.update(edge for low, high in item.ranges for edge in (low, high + 1))
        self._edges = sorted(edge for edge in edges if edge >= 128)
        self._bytes: dict[tuple[bool, ...], int] = {}
        # One (code, kind) for each byte from 128 on.
        self.examples: list[tuple[int, Kind]] = []
        for edge in self._edges:
            for kind in Kind:
                told = self._told(edge, kind)
                if told not in self._bytes:
                    self._bytes[told] = 128 + len(self.examples)
                    self.examples.append((edge, kind))
        if len(self.examples) > 128:
            raise TooManyCharacters
        self._prefill()

    def _prefill(self) -> None:
        self.clear()
        self.update((code, code) for code in range(128))

    def _told(self, code: int, kind: Kind) -> tuple[bool, ...]:
        return (kind in WORD, *(item.holds(code, kind) for item in self._sets))

    def __missing__(self, code: int) -> int:
        if len(self) > _CACHED_CHARACTERS:
            self._prefill()
        edge = self._edges[bisect_right(self._edges, code) - 1]
        found = self._bytes[self._told(edge, kind_of(chr(code)))]
        self[code] = found
        return found

    def encode(self, text: str) -> bytes:
        """One byte per character."""
        if text.isascii():
            return text.encode("ascii")
        return text.translate(self).encode("latin-1")


class Program:
    """One pattern, compiled for an alphabet. Safe to use from several threads."""

    __slots__ = ("_most", "_regexp", "_symbols")

    @property
    def size(self) -> int:
        """Instructions of RE2."""
        return int(self._regexp.programsize)

    def __init__(self, tree: Node, alphabet: Alphabet) -> None:
        self._most = tree.most + 1  # and one more for the border of a word
        sets = sets_of([tree])
        examples = [(code, kind_of(chr(code))) for code in range(128)]
        members: dict[CharSet, set[int]] = {item: set() for item in sets}
        words, others = iter(_WORD_BYTES), iter(_OTHER_BYTES)
        named: dict[tuple[bool, ...], int] = {}
        table = bytearray()
        for code, kind in [*examples, *alphabet.examples]:
            told = (kind in WORD, *(item.holds(code, kind) for item in sets))
            if told not in named:
                try:
                    named[told] = next(words if kind in WORD else others)
                except StopIteration:
                    raise TooManyCharacters from None
                for item, held in zip(sets, told[1:], strict=True):
                    if held:
                        members[item].add(named[told])
            table.append(named[told])
        self._symbols = bytes(table).ljust(256, b"\x80")
        source = _source(tree, members)
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.longest_match = True
        options.never_capture = True
        options.log_errors = False
        options.max_mem = _CACHE_BYTES
        try:
            self._regexp = re2.compile(source, options)
        except re2.error:
            raise _too_large() from None
        if self._regexp.programsize > MAX_PROGRAM:
            raise _too_large()

    def find(
        self, data: bytes, meter: Meter, keep: Callable[[int, int], bool]
    ) -> Iterator[tuple[int, int]]:
        """(start, end) of each match in an encoded text that `keep` agrees to, from left to right.

        One that is not kept is looked for again one character on. Raises TooManyHits.
        """
        symbols = data.translate(self._symbols)
        search = self._regexp.search
        length = len(symbols)
        limit = _LOOKS_PER_CHARACTER * length + _LOOKS_ANYWAY
        position = looked_at = matches = 0
        while (match := search(symbols, position)) is not None:
            start, end = match.span()
            # The search ends where no longer match can begin at `start`.
            spent = min(start + self._most, length) - position
            looked_at += spent
            matches += 1
            meter.add(spent)
            if matches > MAX_MATCHES or looked_at > limit:
                raise TooManyHits
            if keep(start, end):
                yield start, end
                position = end
            else:
                position = start + 1
        meter.add(length - position)


def require_few_states(tree: Node) -> None:
    """Raises PatternError for a pattern that some text would make slow to search for."""
    symbols = [(code, kind_of(chr(code))) for code in range(128)]
    if count_states(tree, [*symbols, *Alphabet(sets_of([tree])).examples]) > MAX_STATES:
        raise PatternError(
            1,
            f"A search for the pattern may be in more than {MAX_STATES} states, so that some texts "
            "would be slow to search.",
            "Shorten the repetitions of wide classes; give words of context instead of a gap.",
        )


def _too_large() -> PatternError:
    return PatternError(1, "The pattern is too large.", "Divide it into several patterns.")


def sets_of(trees: Iterable[Node]) -> list[CharSet]:
    """Every set of characters that some patterns use, once each."""
    return list(dict.fromkeys(chars.set for tree in trees for chars in _chars_of(tree)))


def _chars_of(tree: Node) -> Iterator[Chars]:
    if isinstance(tree, Chars):
        yield tree
    elif isinstance(tree, Repeat):
        yield from _chars_of(tree.item)
    elif not isinstance(tree, Boundary):
        for item in tree.items:
            yield from _chars_of(item)


def _source(tree: Node, members: dict[CharSet, set[int]]) -> bytes:
    if isinstance(tree, Boundary):
        return rb"\B" if tree.negated else rb"\b"
    if isinstance(tree, Chars):
        return _class(tree, members[tree.set])
    if isinstance(tree, Repeat):
        return b"(?:%b){%d,%d}" % (_source(tree.item, members), tree.low, tree.high)
    between = b"|" if isinstance(tree, Either) else b""
    return b"(?:%b)" % between.join([_source(item, members) for item in tree.items])


def _class(chars: Chars, symbols: set[int]) -> bytes:
    if not symbols:
        raise PatternError(chars.position, "No character is in this class.", "Leave it out.")
    return b"[%b]" % b"".join([b"\\x%02x" % symbol for symbol in sorted(symbols)])
