"""One request's text and its answer's, held until its end, for a project that keeps content.

Bounded: beyond `MOST_BYTES` of either the rest is left out, and `whole` says so. What is held here
is never logged, journaled or counted.
"""

from typing import Final

MOST_BYTES: Final = 4 * 1024 * 1024


class Kept:
    """What was asked, and what was answered so far."""

    __slots__ = ("_parts", "_size", "request", "whole")

    def __init__(self, request: bytes) -> None:
        self.request = request[:MOST_BYTES]
        self.whole = len(request) <= MOST_BYTES
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, block: bytes) -> None:
        """A further part of the answer, as the caller gets it."""
        room = MOST_BYTES - self._size
        if len(block) > room:
            self.whole, block = False, block[:room]
        if block:
            self._parts.append(block)
            self._size += len(block)

    @property
    def answer(self) -> bytes:
        """The answer as far as it came."""
        return b"".join(self._parts)
