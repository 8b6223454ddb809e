"""Where triggers fire in a text: one Hyperscan database, or `re` where Hyperscan has no wheel.

Both take bytes in which one byte stands for one character (Latin-1, `?` for all others), so that
their offsets are character offsets.
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from policies.classification.spans import Trigger

try:
    import hyperscan
except ImportError:  # no wheel for this platform
    hyperscan = None

# Matches of one scan before it counts as over its budget: each costs about 0.3 µs, and memory.
MAX_HITS = 400_000


class TooManyHits(Exception):
    """A text that makes triggers fire more than MAX_HITS times."""


class Locator(Protocol):
    """Finds the ends of trigger matches."""

    def locate(self, data: bytes) -> list[tuple[int, int]]:
        """(index of the trigger, end of a match), unordered. Raises TooManyHits."""
        ...


class HyperscanLocator:
    """Every trigger in one database. Safe to use from several threads."""

    __slots__ = ("_database", "_scratches")

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(
            expressions=[trigger.expression.encode("latin-1") for trigger in triggers],
            ids=list(range(len(triggers))),
            elements=len(triggers),
            flags=[_flags(trigger) for trigger in triggers],
        )
        self._database = database
        # A scan needs a scratch of its own; list.pop and append are atomic.
        self._scratches: list[Any] = [hyperscan.Scratch(database)]

    def locate(self, data: bytes) -> list[tuple[int, int]]:
        """See `Locator.locate`."""
        hits: list[tuple[int, int]] = []

        def on_match(index: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            hits.append((index, end))
            return len(hits) > MAX_HITS

        try:
            scratch = self._scratches.pop()
        except IndexError:
            scratch = hyperscan.Scratch(self._database)
        try:
            self._database.scan(data, match_event_handler=on_match, scratch=scratch)
        except hyperscan.ScanTerminated:
            raise TooManyHits from None
        finally:
            self._scratches.append(scratch)
        if len(hits) > MAX_HITS:
            raise TooManyHits
        return hits


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

    def locate(self, data: bytes) -> list[tuple[int, int]]:
        """See `Locator.locate`. Overlapping matches are all reported, one per start."""
        hits: list[tuple[int, int]] = []
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


def make_locator(triggers: Sequence[Trigger]) -> Locator:
    """Hyperscan where it is installed."""
    return RegexLocator(triggers) if hyperscan is None else HyperscanLocator(triggers)
