"""Payment cards: Luhn, issuer ranges, and a grouping that people use."""

import re
from collections.abc import Iterator

from policies.classification.checksums import luhn
from policies.classification.recognizers.digits import NINE_DIGITS
from policies.classification.spans import (
    Recognizer,
    Span,
    Trigger,
    compile_text,
    digits_of,
    search_number,
)

# Groups may be apart by anything people put there, also line breaks; a date may follow.
_SEPARATED = r"[ \t\r\n._/,|:*-]{1,3}"
_CARD = compile_text(
    rf"""(?<!\d) (?<!\d\.) (?:
        \d{{4}} {_SEPARATED} \d{{4}} {_SEPARATED} \d{{4}} {_SEPARATED} \d{{4}} (?!\d)
      | (?: \d{{4}} (?P<a>[ ._/-]{{1,3}}) \d{{4}} (?P=a) \d{{4}} (?P=a)
            (?: \d{{4}} (?P=a) \d{{3}} | \d )
          | (?<!\d[ ._-]) \d (?P<c>[ ._/-]{{1,3}}) \d (?: (?P=c)\d ){{11,17}}
          | (?<!\d[ ._-]) \d\d (?P<e>[ ._-]) \d\d (?: (?P=e)\d\d ){{6}}
        ) (?! [ ._-]?\d )
      | (?: \d{{4}} [ ._/-]{{1,3}} \d{{6}} [ ._/-]{{1,3}} \d{{4,5}}
          | \d{{4}} [ ._-] \d{{4}} [ ._-] \d{{8}} | \d{{8}} [ ._-] \d{{8}} | \d{{6}} [ ._-] \d{{10}}
          | \d{{13,19}} ) (?!\d)
    )"""
)
_HEX_TAIL = re.compile(r"[0-9A-Za-z]{1,12}", re.ASCII)
# Network, first and last prefix, allowed lengths.
_ISSUERS = (
    ("4", "4", (13, 16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("300", "305", (14, 16)),
    ("3095", "3095", (14, 16)),
    ("36", "36", (14, 16)),
    ("38", "39", (14, 16)),
    ("6011", "6011", (16, 19)),
    ("644", "659", (16, 19)),
    ("622126", "622925", (16, 19)),
    ("3528", "3589", (16, 19)),
    ("62", "62", (16, 17, 18, 19)),
    ("81", "81", (16,)),
    ("5018", "5018", (16,)),
    ("5020", "5020", (16,)),
    ("5038", "5038", (16,)),
    ("5893", "5893", (16,)),
    ("6304", "6304", (16, 18, 19)),
    ("6759", "6763", (16, 18, 19)),
    ("2200", "2204", (16,)),
    ("60", "60", (16,)),
)


def _issued(digits: str) -> bool:
    return any(
        len(digits) in lengths and first <= digits[: len(first)] <= last
        for first, last, lengths in _ISSUERS
    )


def _inside_hex(text: str, start: int, end: int) -> bool:
    """Whether the digits are a part of a hexadecimal string or an identifier."""
    left = start
    while left > 0 and start - left < 12 and text[left - 1].isascii() and text[left - 1].isalnum():
        left -= 1
    head = text[left:start].lower()
    tail_match = _HEX_TAIL.match(text, end)
    tail = tail_match[0].lower() if tail_match else ""
    return any(part and not _is_word(part) for part in (head, tail))


def _is_word(part: str) -> bool:
    """`card4111…` and `4111…and`: letters that are no hexadecimal digits alone."""
    return part.isalpha() and any(c not in "abcdef" for c in part)


def _find(text: str, start: int, end: int) -> Iterator[Span]:
    def valid(match: re.Match[str]) -> float:
        digits = digits_of(match[0])
        if not _issued(digits) or not luhn(digits) or len(set(digits)) == 1:
            return 0.0
        return 0.0 if _inside_hex(text, match.start(), match.end()) else 0.95

    for begin, stop, score in search_number(_CARD, text, start, end, valid):
        yield Span(begin, stop, "PAYMENT_CARD", score)


RECOGNIZERS = (
    Recognizer(
        name="bank.payment_card",
        classes=(("PAYMENT_CARD", "payment"),),
        triggers=(
            NINE_DIGITS,
            Trigger(rf"\d{{4}}(?:{_SEPARATED}\d{{4}}){{3}}", back=32, ahead=8),
        ),
        find=_find,
    ),
)
