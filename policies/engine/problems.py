"""Reading plain data with a finger on the place: every problem is collected, none is the last.

A `Place` is a value inside a document with its JSON Pointer (RFC 6901). Its readers return what
they read, or None after noting a problem; whoever reads goes on, and raises at the end.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and what to do about it."""

    pointer: str
    sentence: str
    advice: str

    def as_text(self) -> str:
        """One line for people."""
        return f"{self.pointer or '/'}: {self.sentence} {self.advice}"


class DocumentError(ValueError):
    """A policy document is wrong. `problems` holds everything that is."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.as_text() for problem in self.problems))


@dataclass(slots=True)
class Place:
    """A value and where it stands."""

    value: object
    pointer: str = ""
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, sentence: str, advice: str) -> None:
        """Note a problem at this place."""
        self.problems.append(Problem(self.pointer, sentence, advice))

    def at(self, step: str | int, value: object) -> "Place":
        """A place below this one."""
        escaped = str(step).replace("~", "~0").replace("/", "~1")
        return Place(value, f"{self.pointer}/{escaped}", self.problems)

    def fields(
        self, allowed: Collection[str], *, required: Collection[str] = ()
    ) -> dict[str, "Place"]:
        """The fields of a mapping; unknown and missing ones are problems. Empty for others."""
        if not isinstance(self.value, Mapping):
            self.refuse(f"This is {kind_of(self.value)}.", f"Write {_listed(allowed)} here.")
            return {}
        found: dict[str, Place] = {}
        for key, value in self.value.items():
            if isinstance(key, str) and key in allowed:
                found[key] = self.at(key, value)
            else:
                place = self.at(key if isinstance(key, str | int) else "?", value)
                place.refuse(f"There is no field {key!r} here.", _did_you_mean(key, allowed))
        for key in required:
            if key not in found:
                self.refuse(f"The field {key!r} is missing.", f"Add {key!r}.")
        return found

    def items(self) -> "list[Place]":
        """The items of a list."""
        if isinstance(self.value, list | tuple):
            return [self.at(place, item) for place, item in enumerate(self.value)]
        self.refuse(f"This is {kind_of(self.value)}.", "Write a list here.")
        return []

    def text(self, *, pattern: str = "", what: str = "text", form: str = "") -> str | None:
        """A text that is not empty and matches the pattern as a whole; `form` is the pattern in
        words."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.refuse(f"This is {kind_of(self.value)}.", f"Write {what} here.")
            return None
        if pattern and not re.fullmatch(pattern, self.value):
            self.refuse(f"{self.value[:80]!r} is not {what}.", f"Use the form {form or pattern}.")
            return None
        return self.value

    def word(self, known: Collection[str] | None, what: str) -> str | None:
        """A word among those known; None known: any."""
        word = self.text(what=f"a {what}")
        if word is None or known is None or word in known:
            return word
        self.refuse(f"There is no {what} {word[:80]!r}.", _did_you_mean(word, known))
        return None

    def words(self, known: Collection[str] | None, what: str) -> tuple[str, ...]:
        """One word or a list of words, at least one, in their order."""
        places = self.items() if isinstance(self.value, list | tuple) else [self]
        if not places:
            self.refuse("The list is empty.", f"Name at least one {what}.")
        read = [place.word(known, what) for place in places]
        return tuple(dict.fromkeys(word for word in read if word is not None))

    def integer(self, *, at_least: int = 0) -> int | None:
        """A whole number, not below the limit."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.refuse(f"This is {kind_of(self.value)}.", "Write a whole number here.")
            return None
        if self.value < at_least:
            self.refuse(f"{self.value} is too small.", f"Use {at_least} or more.")
            return None
        return self.value

    def boolean(self) -> bool | None:
        """True or false."""
        if isinstance(self.value, bool):
            return self.value
        self.refuse(f"This is {kind_of(self.value)}.", "Write true or false here.")
        return None


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "empty"),
    (bool, "true or false"),
    (str, "text"),
    ((int, float), "a number"),
    (Mapping, "a mapping"),
    ((list, tuple), "a list"),
)


def kind_of(value: object) -> str:
    """What a value is, in words that never repeat the value."""
    if isinstance(value, str) and not value.strip():
        return "an empty text"
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return f"a {type(value).__name__}"


def _did_you_mean(word: object, known: Collection[str]) -> str:
    close = get_close_matches(word, sorted(known), n=1, cutoff=0.6) if isinstance(word, str) else []
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Use one of {_listed(known)}." if known else "None is known here."


def _listed(words: Collection[str]) -> str:
    shown = sorted(words)[:12]
    return ", ".join(shown) + (", …" if len(words) > len(shown) else "")
