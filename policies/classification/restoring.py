"""Putting values back where their placeholders stand in an answer: one request.

Only what this request minted is put back, and never inside something that reads like a URL:
whoever shows an image or follows a link would hand the value to the server it names.
"""

import json
from collections.abc import Mapping

from policies.classification.links import inside_url
from policies.classification.placeholders import PLACEHOLDER_MARK, places

_MARK = PLACEHOLDER_MARK
_LOWER_MARK = PLACEHOLDER_MARK.lower()


class Restorer:
    """What one request's placeholders stand for.

    `restored` counts the values put back; `left` the placeholders that were not.
    """

    __slots__ = ("left", "longest", "restored", "values", "words")

    def __init__(self, minted: Mapping[str, str]) -> None:
        self.values = dict(minted)
        self.words = {word.lower(): word for word in minted}
        self.longest = max(map(len, minted), default=0)
        self.restored = 0
        self.left = 0

    def restore(self, text: str, *, in_json_string: bool = False) -> str:
        """A whole text. `in_json_string`: it is the source of JSON, values go into its strings."""
        if not self.words or (_MARK not in text and _LOWER_MARK not in text):
            return text
        return self.replace(text, "", in_json_string=in_json_string)

    def stream(self, *, in_json_string: bool = False) -> "StreamRestorer":
        """For a text that comes in pieces; any pieces give what the whole text gives."""
        return StreamRestorer(self, in_json_string=in_json_string)

    def replace(self, text: str, past: str, *, in_json_string: bool) -> str:
        """`text`, which came after `past`, with every known placeholder restored or counted."""
        pieces: list[str] = []
        copied = 0
        for place in places(text, self.words):
            if inside_url(past + text[: place.start], in_json_string=in_json_string):
                self.left += 1
                continue
            value = self.values[place.word]
            if in_json_string:
                value = json.dumps(value, ensure_ascii=False)[1:-1]
            pieces += (text[copied : place.start], value)
            copied = place.end
            self.restored += 1
        if not copied:
            return text
        pieces.append(text[copied:])
        return "".join(pieces)


class StreamRestorer:
    """One text of an answer that comes in pieces."""

    __slots__ = ("_buffer", "_in_json_string", "_past", "_restorer")

    def __init__(self, restorer: Restorer, *, in_json_string: bool) -> None:
        self._restorer = restorer
        self._in_json_string = in_json_string
        self._buffer = ""
        self._past: list[str] = []

    @property
    def held(self) -> bool:
        """Whether something is held back."""
        return bool(self._buffer)

    def feed(self, text: str) -> str:
        """What may be passed on now that `text` has come."""
        if not self._buffer and _MARK not in text and _LOWER_MARK not in text:
            self._past.append(text)
            return text
        text = self._buffer + text
        cut = self._cut(text)
        self._buffer = text[cut:]
        return self._pass_on(text[:cut])

    def finish(self) -> str:
        """What was held back: nothing more comes."""
        text, self._buffer = self._buffer, ""
        return self._pass_on(text)

    def _cut(self, text: str) -> int:
        words = self._restorer.words
        for start in range(max(0, len(text) - self._restorer.longest + 1), len(text)):
            tail = text[start:].lower()
            if tail[0] == _LOWER_MARK and any(word.startswith(tail) for word in words):
                return start
        return len(text)

    def _pass_on(self, text: str) -> str:
        if not text:
            return ""
        past = "".join(self._past)
        self._past = [past, text]
        return self._restorer.replace(text, past, in_json_string=self._in_json_string)
