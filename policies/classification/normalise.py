"""Other readings of a text, with offsets that lead back to the text as given.

`fold` turns look-alikes into what they look like (NFKC, digits of every script, dashes, spaces)
and drops what cannot be seen. `unescape` takes away one layer of HTML entities,
percent-encoding, and escapes as in a JSON string. Both say where each character came from.
"""

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from policies.classification.spans import SEPARATOR, Trigger


@dataclass(frozen=True, slots=True)
class Reading:
    """A text and how to get from its offsets to those of the text it was made from.

    `starts[i]:ends[i]` of this text replace `origin_starts[i]:origin_ends[i]` of the parent.
    """

    text: str
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    origin_starts: tuple[int, ...] = ()
    origin_ends: tuple[int, ...] = ()
    parent: "Reading | None" = None

    def to_origin(self, start: int, end: int) -> tuple[int, int]:
        """A non-empty span of this text as a span of the text as given; replaced pieces count
        whole, so that the span covers at least what was found."""
        reading: Reading | None = self
        while reading is not None:
            if reading.starts:
                start = reading._start(start)
                end = reading._end(end)
            reading = reading.parent
        return start, end

    def _start(self, position: int) -> int:
        index = bisect_right(self.starts, position) - 1
        # Several pieces may begin at one place: all but the last of them are empty.
        if index < 0:
            return position
        if position < self.ends[index]:
            return self.origin_starts[index]
        return self.origin_ends[index] + position - self.ends[index]

    def _end(self, position: int) -> int:
        index = bisect_right(self.starts, position - 1) - 1
        if index < 0:
            return position
        if position <= self.ends[index]:
            return self.origin_ends[index]
        return self.origin_ends[index] + position - self.ends[index]


def _replace(
    parent: Reading, pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str]
) -> Reading | None:
    """The parent's text with every match replaced, or None when nothing changes."""
    text = parent.text
    pieces: list[str] = []
    edits: list[tuple[int, int, int, int]] = []
    copied = length = 0
    changed = False
    for match in pattern.finditer(text):
        new = replacement(match)
        start, end = match.span()
        if new == match[0]:
            continue
        changed = True
        pieces.append(text[copied:start])
        length += start - copied
        pieces.append(new)
        copied = end
        if len(new) != end - start:
            edits.append((length, length + len(new), start, end))
        length += len(new)
    if not changed:
        return None
    pieces.append(text[copied:])
    starts, ends, origin_starts, origin_ends = zip(*edits, strict=True) if edits else ((),) * 4
    return Reading("".join(pieces), starts, ends, origin_starts, origin_ends, parent)


class _FoldTable(dict[int, str | int]):
    """Code point -> what it is read as; filled as characters are met."""

    def __missing__(self, code: int) -> str | int:
        character = chr(code)
        kind = unicodedata.category(character)
        folded: str | int = code
        if code in {0x2212, 0x02D7} or kind == "Pd":
            folded = "-"
        elif kind in {"Zs", "Zl", "Zp"}:
            folded = " "
        elif kind in {"Cf", "Mn", "Me"} or (kind == "Cc" and code > 0x7F):
            folded = ""
        elif kind == "Nd" and code > 0x7F:
            folded = str(unicodedata.decimal(character))
        self[code] = folded
        return folded


_FOLD_TABLE = _FoldTable()
# Characters outside ASCII that are read as they stand: letters of Latin-1 and of the larger
# scripts, and common signs. Leaving them out keeps ordinary text of any language fast.
AS_THEY_STAND = (
    "\xa1-\xa7\xa9\xab\xac\xae\xb0\xb1\xb6\xb7\xbb\xbf-\xff"
    "\u0100-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e"  # Latin Extended-A
    "\u0391-\u03a1\u03a3-\u03c9"  # Greek
    "\u0400-\u0482\u048a-\u052f"  # Cyrillic
    "\u05d0-\u05ea\u0621-\u063a\u0641-\u064a"  # Hebrew, Arabic
    "\u0904-\u0939\u0e01-\u0e30"  # Devanagari, Thai
    "\u2018-\u2023\u2030-\u2032\u2039-\u203b\u20a0-\u20a7\u20a9-\u20bf\u2190-\u21ff"
    "\u2500-\u25ff\u2705\u2713\u2714\u3001-\u3003\u3008-\u3011"
    "\u3041-\u3096\u30a1-\u30fa\u30fc-\u30fe\u4e00-\u9fff\uac00-\ud7a3"
)
_TO_FOLD = re.compile(f"[^\\x00-\\x7f{AS_THEY_STAND}][^\\x00-\\x7f{AS_THEY_STAND}]*")
_ALNUM = re.compile(r"[0-9A-Za-z@]")

# Latin-1 characters that `fold` changes; wakes it where a text has nothing beyond Latin-1.
LATIN_SPECIALS = Trigger(r"[\x80-\xa0\xa8\xaa\xad\xaf\xb2-\xb5\xb8-\xba\xbc-\xbe]", once=True)


# Tag characters spell ASCII that no screen shows and every model reads. A few of them are noise
# between what counts; a run of them is a text of its own.
_TAGS = re.compile("[\U000e0001\U000e0020-\U000e007f]{5,}")


def _shown(tags: re.Match[str]) -> str:
    spelt = "".join(chr(ord(tag) - 0xE0000) for tag in tags[0])
    return f" {''.join(character for character in spelt if character.isprintable())} "


def _fold_run(run: str) -> str:
    if "\U000e0001" <= max(run) <= "\U000e007f":
        run = _TAGS.sub(_shown, run)
    return unicodedata.normalize("NFKC", run).translate(_FOLD_TABLE)


_fold_short = lru_cache(maxsize=4096)(_fold_run)


def fold(parent: Reading) -> tuple[Reading | None, bool]:
    """The folded reading (None: nothing to fold), and whether the unfolded text must be scanned
    too: something was dropped or became a letter or digit, which may have hidden a boundary."""
    lossy = False

    def read(match: re.Match[str]) -> str:
        nonlocal lossy
        run = match[0]
        folded = _fold_short(run) if len(run) < 5 else _fold_run(run)
        if folded != run and (len(folded) < len(run) or _ALNUM.search(folded)):
            lossy = True
        return folded

    return _replace(parent, _TO_FOLD, read), lossy


# Cyrillic and Greek letters that look like Latin ones, and the ones they look like.
_ALIKE = dict(
    zip(
        map(
            ord,
            "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405",
        ),
        "ABEKMHOPCTXIJS",
        strict=True,
    )
) | dict(
    zip(
        map(
            ord,
            "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0455\u0458\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7\u03bf",
        ),
        "aeopcxyisjABEHIKMNOPTXo",
        strict=True,
    )
)
_LOOKS = "".join(map(chr, _ALIKE))
_ANY_ALIKE = re.compile(f"[{_LOOKS}]")
# Only where they stand among Latin letters: a Russian word is left alone.
_MIXED = re.compile(f"(?<=[0-9A-Za-z@.])[{_LOOKS}]+|[{_LOOKS}]+(?=[0-9A-Za-z@.])")


def latinise(parent: Reading) -> Reading | None:
    """Letters of other scripts among Latin ones read as the Latin ones they look like."""
    if not _ANY_ALIKE.search(parent.text):
        return None
    return _replace(parent, _MIXED, lambda match: match[0].translate(_ALIKE))


_ESCAPES = {
    "n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " ", "v": " ", "0": " ",
    '"': '"', "'": "'", "/": "/", "\\": "\\",
}  # fmt: skip
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1d\x1f\x7f"
# The set in front is what `re` can look for quickly.
_ENCODED = re.compile(
    rf"[%&\\=+{_CONTROL}](?:"
    r"(?<=%)[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*"
    r"|(?<=&)(?:\#[0-9]{1,7};?|\#[xX][0-9A-Fa-f]{1,6};?|[A-Za-z][A-Za-z0-9]{1,31};)"
    r"|(?<=\\)(?:u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}"
    r"|U[0-9A-Fa-f]{8}|[0-3][0-7]{2}|[nrtbfv0\"'/\\])"
    r"|(?<==)[0-9A-F]{2}(?:=[0-9A-F]{2})+"
    r"|(?<=[0-9]\+)(?=[0-9])"
    rf"|(?<=[{_CONTROL}])[{_CONTROL}]*)",
    re.ASCII,
)
ESCAPE_TRIGGERS = (
    Trigger(r"%[0-9A-Fa-f]{2}", once=True),
    Trigger(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31};)", once=True),
    Trigger(
        r"\\(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]|x[0-9A-Fa-f]{2}|U[0-9A-Fa-f]{8}|[0-3][0-7]{2}|[nrtbfv0\"'/\\])",
        once=True,
    ),
    Trigger(r"[\x00-\x08\x0b\x0c\x0e-\x1d\x1f\x7f]", once=True),
    Trigger(r"[0-9]\+[0-9]", once=True),
    Trigger(r"(?:=[0-9A-F]{2}){2}", once=True),
)


def unescape(parent: Reading) -> Reading | None:
    """One layer of escapes taken away, or None when there is none."""
    return _replace(parent, _ENCODED, _unescaped)


def _unescaped(match: re.Match[str]) -> str:
    written = match[0]
    first = written[0]
    if first == "%":
        read = unquote(written, errors="replace")
    elif first == "&":
        read = html.unescape(written)
    elif first == "\\":
        read = _unescape_backslash(written)
    elif first == "=":
        read = bytes.fromhex(written.replace("=", "")).decode("latin-1")
    elif first == "+":
        read = " "
    else:
        read = ""
    return read.replace(SEPARATOR, "")


def _unescape_backslash(written: str) -> str:
    if written[1] == "u" and written[2] != "{":
        units = b"".join([int(part, 16).to_bytes(2, "big") for part in written[2:].split("\\u")])
        return units.decode("utf-16-be", "replace")
    if written[1:].isdigit() and len(written) == 4:
        return chr(int(written[1:], 8))
    if written[1] in "uxU":
        code = int(written[2:].strip("{}"), 16)
        return chr(code) if code < 0x110000 else ""
    return _ESCAPES[written[1]]


def readings(given: Reading, rounds: int = 3) -> Iterator[Reading]:
    """What the text says once its escapes are taken away, layer by layer: each layer that
    changes something, at most `rounds`."""
    current = given
    for _ in range(rounds):
        plain = unescape(current)
        folded, _lossy = fold(plain or current)
        following = folded or plain
        if following is None:
            return
        yield following
        current = following
