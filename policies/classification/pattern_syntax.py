"""The dialect of an organisation's own patterns: read into a tree, or refused with a place.

It is small so that every pattern in it can be searched for in linear time. There are characters,
classes, groups, alternatives, word boundaries and repetitions with an end; there is nothing that
looks around, looks back, or has no end. Where several matches begin at one place, the longest
counts, so there is no greed either.

INVARIANT: a pattern of this dialect consumes at most MAX_SIZE characters.
"""

import unicodedata
from collections.abc import Iterable

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
    Row,
    kind_of,
)

MAX_LENGTH = 500  # characters of a pattern as written
MAX_SIZE = 128  # characters of it once its repetitions are written out
MAX_DEPTH = 16  # groups within groups
MAX_RANGE = 30_000  # characters from one end of a range to the other

_CLASSES = {
    "d": frozenset({Kind.DIGIT}),
    "w": WORD,
    "s": frozenset({Kind.SPACE}),
    "D": frozenset(Kind) - {Kind.DIGIT},
    "W": frozenset(Kind) - WORD,
    "S": frozenset(Kind) - {Kind.SPACE},
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_GROUPS = {
    "=": ("This looks ahead.", "Write what may follow as a part of the pattern."),
    "!": ("This looks ahead.", "Name the examples that must not match instead."),
    "<=": ("This looks back.", "Give the words that stand nearby as words of context."),
    "<!": ("This looks back.", "Name the examples that must not match instead."),
    ">": ("Atomic groups are not needed: the longest match counts.", "Write (?: )."),
    "#": ("Comments are not read.", "Leave it out."),
    "(": ("A pattern cannot ask which group matched.", "Write two patterns."),
    "P=": ("This refers back to a group.", "Use a checksum, or write two patterns."),
    "P<": ("Groups have no names here.", "Write (?: )."),
    "<": ("Groups have no names here.", "Write (?: )."),
}
_ENDLESS = {"*": "{0,20}", "+": "{1,20}"}
_EDGES = {
    "^": "A text has no beginning here, since all texts of a request are searched as one.",
    "$": "A text has no end here, since all texts of a request are searched as one.",
}


def read_pattern(source: str, *, ignore_case: bool = False) -> Node:
    """The tree of a pattern. Raises PatternError at the first thing that is not of the dialect."""
    if len(source) > MAX_LENGTH:
        raise PatternError(
            MAX_LENGTH + 1,
            f"The pattern is longer than {MAX_LENGTH} characters.",
            "Divide it into several patterns.",
        )
    tree = _Reader(source, ignore_case=ignore_case).read()
    if tree.size > MAX_SIZE:
        raise PatternError(
            len(source),
            f"With its repetitions written out, the pattern has more than {MAX_SIZE} characters.",
            "Lower the repetitions, or divide it into several patterns.",
        )
    return tree


class _Reader:
    """Recursive descent over one pattern."""

    def __init__(self, source: str, *, ignore_case: bool) -> None:
        self._source = source
        self._ignore_case = ignore_case
        self._at = 0
        self._depth = 0

    def read(self) -> Node:
        tree = self._either()
        if self._at < len(self._source):
            raise self._error("There is no group that this ends.", r"Write \) for the character.")
        return tree

    # --- structure -----------------------------------------------------------------------

    def _either(self) -> Node:
        options = [self._row()]
        while self._take("|"):
            options.append(self._row())
        return options[0] if len(options) == 1 else Either(tuple(options))

    def _row(self) -> Node:
        items: list[Node] = []
        while self._at < len(self._source) and self._peek() not in "|)":
            start = self._at
            items.append(self._repeated(self._item(), start))
        return items[0] if len(items) == 1 else Row(tuple(items))

    def _item(self) -> Node:
        character, start = self._next(), self._at - 1
        if character == "(":
            return self._group()
        if character == "[":
            return self._class(start)
        if character == "\\":
            return self._escape(start)
        if character == ".":
            return self._chars(CharSet(frozenset({ord("\n")}), negated=True), start)
        if character in _EDGES:
            self._at -= 1
            raise self._error(_EDGES[character], r"Write \b for the border of a word.")
        if character in "*+?{":
            self._at -= 1
            raise self._error(f"There is nothing to repeat before {character!r}.", _literally)
        if character in "]}":
            self._at -= 1
            raise self._error(f"There is nothing that {character!r} ends.", _literally)
        return self._literal(character, start)

    def _group(self) -> Node:
        start = self._at - 1
        if self._take("?") and not self._take(":"):
            self._refuse_group(start)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error_at(start, "The groups are nested too deeply.", "Simplify it.")
        tree = self._either()
        self._depth -= 1
        if not self._take(")"):
            raise self._error_at(start, "This group has no end.", "Write ) where it ends.")
        return tree

    def _refuse_group(self, start: int) -> None:
        rest = self._source[self._at : self._at + 2]
        for begins in sorted(_GROUPS, key=len, reverse=True):
            if rest.startswith(begins):
                raise self._error_at(start, *_GROUPS[begins])
        raise self._error_at(
            start, "Flags cannot be set within a pattern.", "Set `ignore_case` beside it."
        )

    def _repeated(self, item: Node, start: int) -> Node:
        if self._at == len(self._source) or self._peek() not in "*+?{":
            return item
        where, sign = self._at, self._next()
        if sign in _ENDLESS:
            raise self._error_at(
                where,
                f"{sign!r} has no end, so that the work would have none either.",
                f"Say how many at most: {_ENDLESS[sign]}, for example.",
            )
        low, high = (0, 1) if sign == "?" else self._bounds(where)
        if self._at < len(self._source) and self._peek() in "?+*{":
            raise self._error(
                "A repetition cannot be repeated or made lazy; the longest match counts.",
                "Leave this out.",
            )
        if isinstance(item, Boundary):
            raise self._error_at(start, "The border of a word cannot be repeated.", "Say it once.")
        return Repeat(item, low, high)

    def _bounds(self, where: int) -> tuple[int, int]:
        end = self._source.find("}", self._at)
        text = self._source[self._at : end] if end >= 0 else ""
        low, comma, high = text.partition(",")
        plain = low.isascii() and low.isdigit() and len(text) <= 12
        if comma and plain and not high:
            raise self._error_at(
                where,
                "This repetition has no end, so that the work would have none either.",
                f"Say how many at most: {{{low},20}}, for example.",
            )
        if not plain or (comma and not (high.isascii() and high.isdigit())):
            raise self._error_at(where, "This is no repetition.", r"Write {2,5}, or \{ for itself.")
        least, most = int(low), int(high if comma else low)
        if least > most or most == 0 or most > MAX_SIZE:
            raise self._error_at(
                where,
                f"A repetition goes from fewer to more times, and at most {MAX_SIZE} of them.",
                "Write {2,5}, for example.",
            )
        self._at = end + 1
        return least, most

    # --- characters ----------------------------------------------------------------------

    def _escape(self, start: int) -> Node:
        letter = self._escaped(start)
        if letter in {"b", "B"}:
            return Boundary(letter == "B")
        if letter in _CLASSES:
            return self._chars(CharSet(kinds=_CLASSES[letter]), start)
        return self._literal(self._character(letter, start), start)

    def _escaped(self, start: int) -> str:
        if self._at == len(self._source):
            raise self._error_at(start, "The pattern ends within an escape.", r"Write \\ for \.")
        return self._next()

    def _character(self, letter: str, start: int) -> str:
        """The character that an escape stands for, its letter being read."""
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter in {"x", "u"}:
            return self._by_number(4 if letter == "u" else 2, start)
        if letter in "123456789" or letter in {"g", "k"}:
            raise self._error_at(
                start,
                "This refers back to a group, which no search in linear time can do.",
                "Use a checksum, or write two patterns.",
            )
        if letter in {"p", "P"}:
            raise self._error_at(
                start, "Classes of Unicode have no names here.", r"Use \w, or name the letters."
            )
        if letter in {"A", "Z", "z", "G"}:
            raise self._error_at(start, _EDGES["^"], r"Write \b for the border of a word.")
        if letter.isalnum() or not letter.isprintable():
            raise self._error_at(start, "This escape means nothing here.", r"Write \\ for \.")
        return letter

    def _by_number(self, digits: int, start: int) -> str:
        text = self._source[self._at : self._at + digits]
        if len(text) != digits or any(c not in "0123456789abcdefABCDEF" for c in text):
            raise self._error_at(
                start, f"An escape by number needs {digits} hexadecimal digits.", "Write them all."
            )
        self._at += digits
        return chr(int(text, 16))

    def _class(self, start: int) -> Node:
        negated = self._take("^")
        singles: set[int] = set()
        ranges: list[tuple[int, int]] = []
        kinds: set[Kind] = set()
        while not self._take("]"):
            where = self._at
            if where == len(self._source):
                raise self._error_at(start, "This class has no end.", r"Write ], or \[ for itself.")
            member = self._member()
            if isinstance(member, frozenset):
                kinds |= member
                member = ""
            if self._at + 1 < len(self._source) and self._peek() == "-":
                if self._source[self._at + 1] == "]":
                    pass
                elif member:
                    self._at += 1
                    ranges.append(self._range(member, where))
                    continue
                else:
                    raise self._error("A range begins with one character.", r"Write \- for itself.")
            if member:
                singles.add(ord(self._plain(member, where)))
        if not (singles or ranges or kinds):
            raise self._error_at(start, "This class is empty.", "Name its characters.")
        found = CharSet(frozenset(singles), tuple(ranges), frozenset(kinds), negated)
        return self._chars(found, start)

    def _member(self) -> str | frozenset[Kind]:
        start, character = self._at, self._next()
        if character == "[" or self._source.startswith("&&", start):
            self._at = start
            raise self._error("A class holds no other class.", r"Escape the character: \[ or \&.")
        if character != "\\":
            return character
        letter = self._escaped(start)
        if letter in {"b", "B"}:
            raise self._error_at(start, "A border is no character.", "Write it outside the class.")
        return _CLASSES.get(letter) or self._character(letter, start)

    def _range(self, low: str, where: int) -> tuple[int, int]:
        high = self._member()
        if not isinstance(high, str):
            raise self._error_at(where, "A range ends with one character.", r"Write \- for itself.")
        first, last = ord(self._plain(low, where)), ord(self._plain(high, where))
        if not first <= last <= first + MAX_RANGE:
            raise self._error_at(
                where,
                f"A range goes upwards, over at most {MAX_RANGE} characters.",
                r"Turn it round, name fewer characters, or use \w.",
            )
        return first, last

    def _literal(self, character: str, start: int) -> Node:
        return self._chars(CharSet(frozenset({ord(self._plain(character, start))})), start)

    def _plain(self, character: str, where: int) -> str:
        if kind_of(character) is not Kind.LETTER and not (
            character.isprintable() or character in "\n\r\t"
        ):
            raise self._error_at(
                where, "Control and unassigned characters cannot be searched for.", "Leave it out."
            )
        return character

    def _chars(self, found: CharSet, start: int) -> Chars:
        singles, ranges = set(found.singles), list(found.ranges)
        if not found.negated:
            # Loose accents are folded away before texts are searched a second time.
            singles |= {base for code in singles if (base := _without_accent(code))}
        if self._ignore_case:
            singles = _all_cases(singles)
            for low, high in found.ranges:
                singles |= _all_cases(range(low, high + 1))
        return Chars(
            CharSet(frozenset(singles), tuple(ranges), found.kinds, found.negated), start + 1
        )

    # --- places --------------------------------------------------------------------------

    def _peek(self) -> str:
        return self._source[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._source[self._at - 1]

    def _take(self, text: str) -> bool:
        if not self._source.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _error(self, sentence: str, advice: str) -> PatternError:
        return self._error_at(self._at, sentence, advice)

    def _error_at(self, start: int, sentence: str, advice: str) -> PatternError:
        return PatternError(start + 1, sentence, advice)


_literally = "Write \\ before it for the character itself."


def _without_accent(code: int) -> int:
    if code < 128:
        return 0
    parts = unicodedata.normalize("NFD", chr(code))
    alone = len(parts) > 1 and all(unicodedata.category(c) == "Mn" for c in parts[1:])
    return ord(parts[0]) if alone else 0


def _all_cases(codes: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for code in codes:
        character = chr(code)
        forms = (character, character.lower(), character.upper(), character.casefold())
        found.update(ord(form) for form in forms if len(form) == 1)
    return found
