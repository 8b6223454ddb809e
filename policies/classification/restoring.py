"""Putting values back where their placeholders stand in an answer: one request.

Only what this request minted is put back, and never inside something that reads like a URL:
whoever shows an image or follows a link would hand the value to the server it names.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from policies.classification.links import REACH, inside_url
from policies.classification.placeholders import (
    FORM,
    LONGEST_FORM,
    PLACEHOLDER_MARK,
    Place,
    Words,
)

_MARK = PLACEHOLDER_MARK
_SMALL_MARK = PLACEHOLDER_MARK.lower()
# Pieces of a stream are joined when there are this many of them.
_PIECES = 1024


# What is to be told in place of [start, end) of a text; empty for what is held back.
Edit = tuple[int, int, str]


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits, which stand in order and do not overlap, made in it."""
    if not edits:
        return text
    pieces: list[str] = []
    copied = 0
    for start, end, told in edits:
        pieces += (text[copied:start], told)
        copied = end
    pieces.append(text[copied:])
    return "".join(pieces)


class Restorer:
    """What one request's placeholders stand for.

    `restored` counts the values put back. `left` counts what looked like a placeholder and was
    not: one inside a URL, one that this request did not mint.
    """

    __slots__ = ("_minted", "_words", "left", "restored")

    def __init__(self, minted: Mapping[str, str], *, like: "Restorer | None" = None) -> None:
        self._minted = minted
        # `like`: another one of the same request; it knows the words already.
        self._words: Words = Words(minted) if like is None else like._words
        self.restored = 0
        self.left = 0

    def restore(self, text: str, *, in_json_string: bool = False) -> str:
        """A whole text. `in_json_string`: it is the source of JSON, values go into its strings."""
        if _MARK not in text and _SMALL_MARK not in text:
            return text
        self.count_unknown(text, 0, len(text))
        places = self._words.places(text)
        return edited(text, self.edits(text, 0, places, in_json_string=in_json_string))

    def stream(self, *, in_json_string: bool = False) -> "StreamRestorer":
        """For a text that comes in pieces; any pieces give what the whole text gives."""
        return StreamRestorer(self, self._words, in_json_string=in_json_string)

    def edits(
        self, before: str, begins: int, places: Iterable[Place], *, in_json_string: bool
    ) -> list[Edit]:
        """What puts the values back at the places of a text that is the rest of `before` from
        `begins` on. Each place is counted: as restored, or as left inside a URL."""
        edits: list[Edit] = []
        for start, end, word in places:
            if inside_url(before, begins + start, in_json_string=in_json_string):
                self.left += 1
                continue
            value = self._minted[word]
            if in_json_string:
                value = json.dumps(value, ensure_ascii=False)[1:-1]
            edits.append((start, end, value))
        self.restored += len(edits)
        return edits

    def count_unknown(self, text: str, start: int, end: int) -> int:
        """Count what has the form and begins in [start, end), but was not minted here. Gives the
        end of the last one, or `start`."""
        reached = start
        for match in FORM.finditer(text, start):
            if match.start() >= end:
                break
            reached = match.end()
            if match[0] not in self._minted and not self._words.ends(match[0]):
                self.left += 1
        return reached


class StreamRestorer:
    """One text of an answer that comes in pieces."""

    __slots__ = ("_counted", "_held", "_in_json_string", "_past", "_restorer", "_words")

    def __init__(self, restorer: Restorer, words: Words, *, in_json_string: bool) -> None:
        self._restorer = restorer
        self._words = words
        self._in_json_string = in_json_string
        self._held = ""
        # What came before, as the upstream wrote it: it says whether a URL is open.
        self._past: list[str] = []
        self._counted = 0

    @property
    def held(self) -> bool:
        """Whether something is held back."""
        return self._held != ""

    def feed(self, text: str) -> str:
        """What may be passed on now that `text` has come."""
        if self._held:
            text, self._held = self._held + text, ""
        return edited(text, self.take(text))

    def take(self, text: str) -> list[Edit]:
        """What is to be told otherwise of `text`, which has come while nothing is held back. None
        of it: it may be passed on as it is. What is held back from now on is its end."""
        if _MARK not in text and _SMALL_MARK not in text:
            return self._pass_on(text, [])
        places, cut = self._words.so_far(text)
        self._held = text[cut:]
        edits = self._pass_on(text[:cut], places)
        if self._held:
            edits.append((cut, len(text), ""))
        return edits

    def finish(self) -> str:
        """What was held back, for nothing more comes."""
        text, self._held = self._held, ""
        text = edited(text, self._pass_on(text, list(self._words.places(text))))
        past = "".join(self._past)
        self._restorer.count_unknown(past, self._counted, len(past))
        self._counted = len(past)
        return text

    def _pass_on(self, text: str, places: list[Place]) -> list[Edit]:
        if text:
            self._past.append(text)
        if places:
            before = self._join(len(text))
            begins = len(before) - len(text)
            return self._restorer.edits(before, begins, places, in_json_string=self._in_json_string)
        if len(self._past) > _PIECES:
            self._join(0)
        return []

    def _join(self, new: int) -> str:
        """What came as one text, as far back as a URL is looked for before the `new` last ones of
        its characters."""
        past = "".join(self._past)
        excess = len(past) - new - REACH - LONGEST_FORM
        if excess > _PIECES:
            self._counted = self._restorer.count_unknown(past, self._counted, excess)
            past = past[excess:]
            self._counted = max(0, self._counted - excess)
        self._past = [past]
        return past
