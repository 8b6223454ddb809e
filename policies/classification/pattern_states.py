"""How many states a search for a pattern may be in: the proof that it is fast on every text.

RE2 keeps the states of a search that it has met, and then needs one step of a table per character.
Where a text leads it through more states than it can keep, it is up to a hundred times slower. So
the states of a pattern are counted before it is saved.

A state is what is left of the matches that began so far, the earliest first, as in a search for
the leftmost and longest match; and whether the last character belonged to a word.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from policies.classification.pattern_tree import (
    WORD,
    Boundary,
    Chars,
    CharSet,
    Either,
    Kind,
    Node,
    Repeat,
)

MAX_STATES = 1000

# Between two characters, a border of a word is there or not. A way through the pattern that
# consumes nothing is possible in some of the four cases (word before?, word after?), a bit each.
_ANYWHERE = 0b1111
_BORDER = 0b0110  # bit 2 * before + after
_NO_BORDER = 0b1001

_Places = dict[int, int]  # position -> in which of the four cases


@dataclass(slots=True)
class _Part:
    """A piece of the automaton: where it may be passed, and its first and last positions."""

    empty: int
    first: _Places = field(default_factory=dict)
    last: _Places = field(default_factory=dict)


class _Automaton:
    """Positions of characters, and which may follow which (Glushkov's construction)."""

    def __init__(self, tree: Node) -> None:
        self.sets: list[CharSet] = []
        self.follow: list[_Places] = []
        self.whole = self._part(tree)

    def _part(self, tree: Node) -> _Part:
        if isinstance(tree, Chars):
            place = len(self.sets)
            self.sets.append(tree.set)
            self.follow.append({})
            return _Part(0, {place: _ANYWHERE}, {place: _ANYWHERE})
        if isinstance(tree, Boundary):
            return _Part(_NO_BORDER if tree.negated else _BORDER)
        if isinstance(tree, Either):
            return self._either(tree.items)
        if isinstance(tree, Repeat):
            return self._row(self._copies(tree))
        return self._row(self._part(item) for item in tree.items)

    def _copies(self, tree: Repeat) -> Iterator[_Part]:
        for number in range(tree.high):
            part = self._part(tree.item)
            if number >= tree.low:
                part.empty = _ANYWHERE
            yield part

    def _either(self, items: Sequence[Node]) -> _Part:
        joined = _Part(0)
        for item in items:
            part = self._part(item)
            joined.empty |= part.empty
            joined.first |= part.first
            joined.last |= part.last
        return joined

    def _row(self, parts: Iterable[_Part]) -> _Part:
        row = _Part(_ANYWHERE)
        for part in parts:
            for place, leaving in row.last.items():
                for following, entering in part.first.items():
                    _allow(self.follow[place], following, leaving & entering)
            for following, entering in part.first.items():
                _allow(row.first, following, row.empty & entering)
            last = dict(part.last)
            for place, leaving in row.last.items():
                _allow(last, place, leaving & part.empty)
            row.last = last
            row.empty &= part.empty
        return row


def _allow(places: _Places, place: int, cases: int) -> None:
    if cases:
        places[place] = places.get(place, 0) | cases


class _Table:
    """The automaton for one case of (word before, word after) as bit masks."""

    __slots__ = ("final", "first", "follow")

    def __init__(self, automaton: _Automaton, before: bool, after: bool) -> None:
        case = 1 << (2 * before + after)
        self.first = _mask(automaton.whole.first, case)
        self.final = _mask(automaton.whole.last, case)
        self.follow = [_mask(places, case) for places in automaton.follow]

    def after(self, places: int) -> int:
        """The positions that may follow one of `places`."""
        found = 0
        while places:
            lowest = places & -places
            found |= self.follow[lowest.bit_length() - 1]
            places ^= lowest
        return found


def _mask(places: _Places, case: int) -> int:
    return sum(1 << place for place, cases in places.items() if cases & case)


_State = tuple[bool, bool, tuple[int, ...]]


def count_states(tree: Node, symbols: Sequence[tuple[int, Kind]]) -> int:
    """The states of a search, at most MAX_STATES + 1: counting stops there.

    `symbols`: a character, as (code, kind), for each group of them that the pattern tells apart.
    """
    automaton = _Automaton(tree)
    tables = [_Table(automaton, bool(case & 2), bool(case & 1)) for case in range(4)]
    steps = [
        (kind in WORD, sum(1 << i for i, s in enumerate(automaton.sets) if s.holds(code, kind)))
        for code, kind in symbols
    ]
    steps = list(dict.fromkeys(steps))
    start: _State = (False, False, ())
    seen = {start}
    waiting = [start]
    while waiting and len(seen) <= MAX_STATES:
        state = waiting.pop()
        for after, accepts in steps:
            following = _step(state, tables[2 * state[0] + after], after, accepts)
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return len(seen)


def _step(state: _State, table: _Table, after: bool, accepts: int) -> _State:
    """The state after one more character, which fits the positions in `accepts`."""
    _, matched, begun = state
    taken = 0
    left: list[int] = []
    for places in begun:
        if places & table.final:
            matched = True
        places_now = table.after(places) & accepts & ~taken
        if places_now:
            left.append(places_now)
            taken |= places_now
        if places & table.final:
            break  # a match that began earlier is the one that counts
    else:
        if not matched and (fresh := table.first & accepts & ~taken):
            left.append(fresh)
    if matched and not left:
        return after, False, ()  # the search ends here, and the next one begins anew
    return after, matched, tuple(left)
