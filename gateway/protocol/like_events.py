"""Events of a stream that differ in nothing but one piece of text, taken apart many at once.

A vendor writes thousands of them, and a reader gets hundreds in one read. What is like the others
is never guessed: the pieces, put between the same bytes again, must give the very same block.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence, Sized
from io import BytesIO
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from gateway.protocol.answers import each_event
from policies.classification.restoring import Edit, edited

# Which text of an answer: (choice, name) or (choice, kind of call, its index, name).
Place = tuple[int, str] | tuple[int, str, int, str]

_CONTROLS = bytes(range(32))
# A string of JSON without these says what it looks like.
_NOT_PLAIN = _CONTROLS + b'"\\'
_ENCODER = msgspec.json.Encoder()
_STRING = msgspec.json.Decoder(str)
# Bytes of events that are looked at together: about what one read gives.
_AT_ONCE = 65_536
_CONTENT = re.compile(rb'"content": ?"([^"\\]*)"')
_LINE = re.compile(rb"([^\r\n]*\r?\n)\r?\n")


class Said(NamedTuple):
    """What a run of pieces says: as one text, and by pieces of the same lengths."""

    text: str
    parts: Sequence[Sized]


class Shape(NamedTuple):
    """An event around its one piece of text: one line, and an empty one."""

    place: Place
    before: bytes
    behind: bytes
    line: bytes  # of `behind`, what stands in the first line

    def runs(self, block: bytes) -> Iterator[tuple[list[bytes], bytes]]:
        """A block of whole events cut into runs of like ones, with their pieces as they stand in
        JSON, and what is between them, with none. Together they are the block."""
        at = 0
        buffer = BytesIO(block)
        while lines := buffer.readlines(_AT_ONCE):
            if len(lines) % 2:
                lines.append(buffer.readline())
            events = lines[::2]
            like = len(events)
            while like and not self._holds(events[like - 1], self.line):
                like -= 1  # the reason to finish, the usage: what mostly comes last
            pieces = self._cut(events[:like], self.line)
            run = self.block(pieces)
            if not block.startswith(run, at):
                break
            at += len(run)
            if pieces:
                yield pieces, block if len(run) == len(block) else run
            if like < len(events):
                break
        # Other events, or like ones with other ones between.
        others = each_event(block[at:])
        for holds, group in groupby(others, lambda event: self._holds(event, self.behind)):
            several = list(group)
            yield self._cut(several, self.behind) if holds else [], b"".join(several)

    def text_of(self, event: bytes) -> str | None:
        """The text of one like event, without escapes; None for whatever is not just that."""
        before, behind = self.before, self.behind
        if not (event.startswith(before) and event.endswith(behind)):
            return None
        if event.find(b"\n") < len(event) - 4:  # several events
            return None
        piece = event[len(before) : -len(behind)]
        # A shorter event, in which the two overlap, gives no piece either way.
        if len(piece.translate(None, _NOT_PLAIN)) + len(before) + len(behind) != len(event):
            return None
        try:
            return piece.decode()
        except UnicodeDecodeError:
            return None

    def event(self, text: str) -> bytes:
        """One event that says `text`."""
        return self.before + _written(text) + self.behind

    def block(self, pieces: Sequence[bytes]) -> bytes:
        """The events with these pieces, as they stand in JSON."""
        if not pieces:
            return b""
        between = self.behind + self.before
        first, last = self.before + pieces[0], pieces[-1] + self.behind
        if len(pieces) == 1:
            return first + self.behind
        return between.join([first, *pieces[1:-1], last])

    def _cut(self, events: list[bytes], behind: bytes) -> list[bytes]:
        return list(map(itemgetter(slice(len(self.before), -len(behind))), events))

    def _holds(self, event: bytes, behind: bytes) -> bool:
        """Whether an event that ends with `behind` is like the others."""
        return (
            len(event) >= len(self.before) + len(behind)
            and event.startswith(self.before)
            and event.endswith(behind)
        )


def shape_of(event: bytes, text: str, place: Place) -> Shape | None:
    """The shape of an event whose piece is `text`; None where that is not to be seen."""
    found = _CONTENT.search(event)
    if found is None or event.count(b'"content"') != 1 or found[1] != text.encode():
        return None
    before, behind = event[: found.start(1)], event[found.end(1) :]
    line = _LINE.fullmatch(behind)
    return None if line is None else Shape(place, before, behind, line[1])


def read(pieces: Sequence[bytes]) -> Said | None:
    """What the pieces say; None where one is no string of JSON."""
    raw = b"".join(pieces)
    if len(raw.translate(None, _NOT_PLAIN)) == len(raw):
        if raw.isascii():
            return Said(raw.decode("ascii"), pieces)
        read_one: Any = bytes.decode
    elif len(raw.translate(None, _CONTROLS)) == len(raw):
        read_one = _read_one
    else:
        return None
    try:
        texts = [read_one(piece) for piece in pieces]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Said("".join(texts), texts)


def _read_one(piece: bytes) -> str:
    if b"\\" in piece or b'"' in piece:
        return _STRING.decode(b'"%b"' % piece)
    return piece.decode()


def spread(edits: Sequence[Edit], said: Said) -> Iterator[tuple[int, bytes]]:
    """The pieces that edits of the whole text change, by number, with what is told in their place
    as it stands in JSON. What an edit puts in goes to the first of the pieces that it touches."""
    ends = list(accumulate(map(len, said.parts)))
    touched: dict[int, list[Edit]] = {}
    for start, end, told in edits:
        first = bisect_right(ends, start)
        for number in range(first, bisect_left(ends, end) + 1):
            begins = ends[number] - len(said.parts[number])
            part = (
                max(start - begins, 0),
                min(end, ends[number]) - begins,
                told if number == first else "",
            )
            touched.setdefault(number, []).append(part)
    for number, own in touched.items():
        begins = ends[number] - len(said.parts[number])
        yield number, _written(edited(said.text[begins : ends[number]], own))


def _written(text: str) -> bytes:
    """A text as it stands between the quotation marks of JSON."""
    return _ENCODER.encode(text)[1:-1]
