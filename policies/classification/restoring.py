"""Putting values back where their placeholders stand in an answer: one request.

Only what this request minted is put back, and never inside something that reads like a URL:
whoever shows an image or follows a link would hand the value to the server it names.
"""

import json
import re
from collections.abc import Mapping

from policies.classification.links import REACH, inside_url
from policies.classification.placeholders import (
    FORM,
    LONGEST_FORM,
    PLACEHOLDER_MARK,
    Words,
)

_MARK = PLACEHOLDER_MARK
_SMALL_MARK = PLACEHOLDER_MARK.lower()
_ANY_MARK = re.compile(f"[{_MARK}{_SMALL_MARK}]")
# Pieces of a stream are joined when there are this many of them.
_PIECES = 1024


class Restorer:
    """What one request's placeholders stand for.

    `restored` counts the values put back. `left` counts what looked like a placeholder and was
    not: one inside a URL, one that this request did not mint.
    """

    __slots__ = ("_minted", "_words", "left", "restored")

    def __init__(self, minted: Mapping[str, str]) -> None:
        self._minted = minted
        self._words = Words(minted)
        self.restored = 0
        self.left = 0

    def restore(self, text: str, *, in_json_string: bool = False) -> str:
        """A whole text. `in_json_string`: it is the source of JSON, values go into its strings."""
        if _MARK not in text and _SMALL_MARK not in text:
            return text
        self.count_unknown(text, 0, len(text))
        return self.replace("", text, in_json_string=in_json_string)

    def stream(self, *, in_json_string: bool = False) -> "StreamRestorer":
        """For a text that comes in pieces; any pieces give what the whole text gives."""
        return StreamRestorer(self, self._words, in_json_string=in_json_string)

    def replace(self, past: str, text: str, *, in_json_string: bool) -> str:
        """`text`, which comes after `past`, with every known placeholder restored or counted."""
        pieces: list[str] = []
        copied = 0
        before = past + text if past else text
        for place in self._words.places(text):
            if inside_url(before, len(past) + place.start, in_json_string=in_json_string):
                self.left += 1
                continue
            value = self._minted[place.word]
            if in_json_string:
                value = json.dumps(value, ensure_ascii=False)[1:-1]
            pieces += (text[copied : place.start], value)
            copied = place.end
            self.restored += 1
        if not copied:
            return text
        pieces.append(text[copied:])
        return "".join(pieces)

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

    def passes(self, text: str) -> bool:
        """Take `text` in if all of it may be passed on as it is. False: nothing was taken in."""
        if self._held:
            return False
        if _MARK in text or _SMALL_MARK in text:
            cut, known = self._cut(text)
            if known or cut < len(text):
                return False
        self._past.append(text)
        if len(self._past) > _PIECES:
            self._join()
        return True

    def feed(self, text: str) -> str:
        """What may be passed on now that `text` has come."""
        if not self._held and _MARK not in text and _SMALL_MARK not in text:
            past = self._past
            past.append(text)
            if len(past) > _PIECES:
                self._join()
            return text
        text = self._held + text
        cut, known = self._cut(text)
        self._held = text[cut:]
        return self._pass_on(text[:cut], known=known)

    def finish(self) -> str:
        """What was held back, for nothing more comes."""
        text, self._held = self._held, ""
        text = self._pass_on(text, known=True)
        past = "".join(self._past)
        self._restorer.count_unknown(past, self._counted, len(past))
        self._counted = len(past)
        return text

    def _cut(self, text: str) -> tuple[int, bool]:
        """Where the longest suffix begins that may become a known word, and whether a known word
        stands before it."""
        words = self._words
        position = 0
        known = False
        while (match := _ANY_MARK.search(text, position)) is not None:
            start = match.start()
            if words.may_begin(text[start:]):
                return start, known
            length = words.at(text, start)
            known = known or length > 0
            position = start + (length or 1)
        return len(text), known

    def _pass_on(self, text: str, *, known: bool) -> str:
        if known:
            past = self._join()
            self._past.append(text)
            return self._restorer.replace(past, text, in_json_string=self._in_json_string)
        if text:
            self._past.append(text)
        return text

    def _join(self) -> str:
        """What came before as one text, as far back as a URL is looked for."""
        past = "".join(self._past)
        excess = len(past) - REACH - LONGEST_FORM
        if excess > _PIECES:
            self._counted = self._restorer.count_unknown(past, self._counted, excess)
            past = past[excess:]
            self._counted = max(0, self._counted - excess)
        self._past = [past]
        return past
