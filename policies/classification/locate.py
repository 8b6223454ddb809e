"""Where triggers fire in a text: one Hyperscan database, or `re` where Hyperscan has no wheel.

Both take bytes in which one byte stands for one character (Latin-1, `?` for all others), so that
their offsets are character offsets.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from policies.classification.spans import Trigger

try:
    import hyperscan

    HAS_HYPERSCAN = True
except ImportError:  # no wheel for this platform
    HAS_HYPERSCAN = False

# Matches of one scan before it counts as over its budget: each costs about 0.3 µs, and memory.
MAX_HITS = 400_000


Hits = list[tuple[int, int]]


class TooManyHits(Exception):
    """A text that makes triggers fire more than MAX_HITS times."""


class Locator(Protocol):
    """Finds the ends of trigger matches."""

    def locate(self, data: bytes) -> Hits:
        """(index of the trigger, end of a match), unordered. Raises TooManyHits."""
        ...


class HyperscanLocator:
    """The triggers in one database, or in two. Safe to use from several threads.

    `split`: the triggers from this index on go into a database of their own, which pays where
    both together compile slowly. `locate` reports the same either way.
    """

    __slots__ = ("_databases",)

    def __init__(self, triggers: Sequence[Trigger], *, split: int | None = None) -> None:
        bounds = [0, len(triggers)] if split is None else [0, split, len(triggers)]
        self._databases = [
            _Database(triggers, range(start, end)) for start, end in pairwise(bounds)
        ]

    def locate(self, data: bytes) -> Hits:
        """See `Locator.locate`."""
        hits: Hits = []

        def on_match(index: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            hits.append((index, end))
            return len(hits) > MAX_HITS

        for database in self._databases:
            database.scan(data, on_match)
        return hits


class _Database:
    """One compiled database and its scratches: each running scan needs one of its own."""

    __slots__ = ("_database", "_scratches")

    def __init__(self, triggers: Sequence[Trigger], indexes: range) -> None:
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[triggers[index].expression.encode("latin-1") for index in indexes],
            ids=list(indexes),
            elements=len(indexes),
            flags=[_flags(triggers[index]) for index in indexes],
        )
        self._scratches = [hyperscan.Scratch(self._database)]

    def scan(self, data: bytes, on_match: Callable[[int, int, int, int, object], bool]) -> None:
        """One pass. Raises TooManyHits when `on_match` says to stop."""
        try:
            scratch = self._scratches.pop()  # atomic, as is append
        except IndexError:
            scratch = hyperscan.Scratch(self._database)
        try:
            self._database.scan(data, match_event_handler=on_match, scratch=scratch)
        except hyperscan.ScanTerminated:
            raise TooManyHits from None
        finally:
            self._scratches.append(scratch)


def _flags(trigger: Trigger) -> int:
    flags = 0
    if trigger.caseless:
        flags |= hyperscan.HS_FLAG_CASELESS
    if trigger.once:
        flags |= hyperscan.HS_FLAG_SINGLEMATCH
    return flags


class RegexLocator:
    """The same triggers by `re`, one after another: slower by a factor of a hundred."""

    __slots__ = ("_patterns",)

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        self._patterns = [
            (
                index,
                re.compile(
                    trigger.expression.encode("latin-1"), re.IGNORECASE if trigger.caseless else 0
                ),
                trigger.once,
            )
            for index, trigger in enumerate(triggers)
        ]

    def locate(self, data: bytes) -> Hits:
        """See `Locator.locate`. Overlapping matches are all reported, one per start."""
        hits: Hits = []
        for index, pattern, once in self._patterns:
            position = 0
            while (match := pattern.search(data, position)) is not None:
                hits.append((index, match.end()))
                if once:
                    break
                if len(hits) > MAX_HITS:
                    raise TooManyHits
                position = match.start() + 1
        return hits
