"""Telephone numbers: E.164, and national forms of US, UK, DE, FR, ES, IT and NL.

A number without separators and without a `+` is a phone number only where a word says so or
where its prefix is a mobile network's: order numbers and identifiers look the same.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from policies.classification.recognizers.digits import NINE_DIGITS
from policies.classification.spans import (
    Recognizer,
    Span,
    Trigger,
    compile_text,
    digits_of,
    named,
    search_number,
)

_INTERNATIONAL = compile_text(
    r"""(?<![\w+.]) (?: \+ [ ]? | 00 [ ]? (?=[1-9]) ) \(?[1-9]\d{0,2}\)?
        (?: [ ./()_-]{0,3} \d ){6,14} (?!\d)"""
)
_NORTH_AMERICA = compile_text(
    r"""(?<![\w.+/$€£-]) (?:\+?1[ .-]{1,3})? (?: \( [1-9]\d{2} \) [ .-]{0,3}
        | [1-9]\d{2} [ ./_-]{1,3} )
        (?: \d{3} [ ._-]{1,3} \d{4} | (?<=\)) \d{7} | (?<=\)[ ]) \d{7} ) (?! \d | [.,:-]\d )"""
)
_NATIONAL_ZERO = compile_text(
    r"""(?<![\w.,+/-]) \(? 0[1-9]\d{0,4} \)? (?: [ ./()_-]{1,3} \d{2,9} ){1,5}
        (?! [ ./-]?\d | :\d )"""
)
_SOUTHERN = compile_text(
    # Spain by groups of 3-3-3 or 3-2-2-2, Italian mobiles by 3-6 or 3-7.
    r"""(?<![\w.,+/$€£-]) (?<!\d[ ])
        (?: [6789]\d{2} ([ .-]) \d{3} \1 \d{3} | [6789]\d{2} ([ .-]) \d{2} \2 \d{2} \2 \d{2}
          | 3\d{2} [ ./-] \d{6,7} )
        (?! [ .-]?\d | [,:]\d | [ ]?[%€$£] )"""
)
_MOBILE_BARE = compile_text(
    r"(?<![\w.,+/-]) (?: 0[67]\d{8} | 07\d{9} | 01[567]\d{8,9} ) (?! \w | [.,]\d )"
)
_BARE = compile_text(r"(?<![\w.,+/-]) (?: \d{9,12} | \d{3,5} [ ./-] \d{6,8} ) (?! \w | [.,]\d )")
_SHORT = compile_text(
    r"(?<![\w.,+/-]) (?!(?:19|20)\d\d.(?:19|20)\d\d) \d{3,4} [ .-] \d{4} (?! \w | [.,-]\d )"
)
_PHONE_WORDS = compile_text(
    r"""(?: phone | (?<![a-z]) (?:my|his|her|their|our|your)[ ](?:new[ ])?(?:cell|number)
        | telef\w{0,5} | mobil | (?<![a-z]) (?: tel | t[eé]l[eé]\w{0,8}
        | (?:cell|mobile|phone|fax|handy|mobil|contact)[ _-]?(?:no|nr|num\w{0,4}|phone)?
        | whatsapp | sms | call | calling | dial | ring | rufnummer | rufen | anrufen | m[oó]vil
        | cellulare | portable | appelez | gsm | bel | llama\w{0,3} | chiama\w{0,3} ) )""",
    re.IGNORECASE,
)
_PHONE_AFTER = compile_text(
    r"""[ ]? \(? (?: (?:is|ist|est|es|was)[ ] )? (?: (?:my|his|her|their|our|the)[ ] )?
        (?: (?:new|work|home|private)[ ] )? (?: phone | cell | mobile | tel | handy | whatsapp )""",
    re.IGNORECASE,
)
# 01.02.2024 and the time after it; a ZIP code with its four more digits.
_NO_PHONE = re.compile(r"\(?0\d([./-])\d\d\1(?:19|20)\d\d|0\d{4}-\d{4}\Z", re.ASCII)


def _international(match: re.Match[str]) -> float:
    digits = digits_of(match[0])
    if match[0].startswith("+"):
        return 0.9 if 8 <= len(digits) <= 15 else 0.0
    # `00` is also plain zero padding: only numbers of a phone's length count.
    return 0.7 if 12 <= len(digits) <= 16 else 0.0


def _national_zero(match: re.Match[str]) -> float:
    digits = digits_of(match[0])
    if not 9 <= len(digits) <= 12 or _NO_PHONE.match(match[0]):
        return 0.0
    groups = re.findall(r"\d+", match[0])
    # 01 02 03 04 05: counting, not calling.
    counting = all(int(b) - int(a) == 1 for a, b in pairwise(groups))
    return 0.0 if counting else 0.7


def _north_america(match: re.Match[str]) -> float:
    digits = digits_of(match[0])
    return 0.8 if len(digits) in {10, 11} else 0.0


def _always(score: float, match: re.Match[str]) -> float:
    return score if len(set(digits_of(match[0]))) > 1 else 0.0


def _find(text: str, start: int, end: int) -> Iterator[Span]:
    for pattern, check in (
        (_INTERNATIONAL, _international),
        (_NORTH_AMERICA, _north_america),
        (_NATIONAL_ZERO, _national_zero),
        (_SOUTHERN, lambda match: _always(0.6, match)),
        (_MOBILE_BARE, lambda match: _always(0.6, match)),
    ):
        for begin, stop, score in search_number(pattern, text, start, end, check):
            # "(030 123456)": the bracket belongs to the sentence.
            lone = text[begin] == "(" and ")" not in text[begin:stop]
            yield Span(begin + lone, stop, "PHONE_NUMBER", score)


def _find_named(text: str, start: int, end: int) -> Iterator[Span]:
    def confirm(match: re.Match[str]) -> float:
        by_name = named(text, match.start(), _PHONE_WORDS) or _PHONE_AFTER.match(text, match.end())
        return 0.8 if by_name else 0.0

    for pattern in (_BARE, _SHORT):
        for begin, stop, score in search_number(pattern, text, start, end, confirm):
            yield Span(begin, stop, "PHONE_NUMBER", score)


_CLASSES = (("PHONE_NUMBER", "personal"),)
RECOGNIZERS = (
    Recognizer(name="contact.phone", classes=_CLASSES, triggers=(NINE_DIGITS,), find=_find),
    Recognizer(
        name="contact.phone_named",
        classes=_CLASSES,
        triggers=(NINE_DIGITS, Trigger(r"\d{3}[ .-]\d{4}", back=16, ahead=8)),
        find=_find_named,
    ),
)
