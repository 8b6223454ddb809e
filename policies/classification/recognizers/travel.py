"""Travel documents: machine-readable zones by their check digits, numbers by their context."""

import re
from collections.abc import Iterator

from policies.classification.checksums import mrz
from policies.classification.spans import (
    SEPARATOR,
    Recognizer,
    Span,
    Trigger,
    compile_text,
    search,
)

# Second line of a passport or visa (ICAO 9303 parts 4 and 6): number, nationality, birth, sex,
# expiry.
_TD3 = re.compile(
    r"([A-Z0-9<]{9})([0-9<])([A-Z<]{3})(\d{6})(\d)([MFX<])(\d{6})(\d)[A-Z0-9<]{0,16}", re.ASCII
)
# First and second line of an identity card (part 5).
_TD1 = re.compile(
    r"[IAC][A-Z0-9<][A-Z<]{3}([A-Z0-9<]{9})([0-9<])[A-Z0-9<]{15}\s{1,3}"
    r"(\d{6})(\d)([MFX<])(\d{6})(\d)[A-Z<]{3}[A-Z0-9<]{0,12}",
    re.ASCII,
)
_NAME_LINE = re.compile(r"[PVIAC][A-Z<][A-Z<]{3}[A-Z<]{20,39}\s{1,3}\Z", re.ASCII)
_THIRD_LINE = re.compile(r"\s{1,3}[A-Z<]{30}", re.ASCII)
# A first line alone still holds a name and a nationality.
_NAME_ALONE = compile_text(r"(?<![A-Z0-9<]) P[A-Z<] [A-Z]{1,3}<{0,2} [A-Z]{2,}<?[A-Z<]{20,}")


def _td3(match: re.Match[str]) -> float:
    good = (
        mrz(match[1], match[2]),
        mrz(match[4], match[5]),
        mrz(match[7], match[8]),
    )
    # One misread character must not open the gate.
    return 0.99 if all(good) else 0.7 if sum(good) == 2 else 0.0


def _td1(match: re.Match[str]) -> float:
    good = (mrz(match[1], match[2]), mrz(match[3], match[4]), mrz(match[6], match[7]))
    return 0.99 if all(good) else 0.7 if sum(good) == 2 else 0.0


def _find(text: str, start: int, end: int) -> Iterator[Span]:
    for begin, stop, score in search(_TD1, text, start, end, _td1):
        third = _THIRD_LINE.match(text, stop)
        yield Span(begin, third.end() if third else stop, "PASSPORT_MRZ", score)
    for begin, stop, score in search(_TD3, text, start, end, _td3):
        first = _NAME_LINE.search(text, max(0, begin - 47), begin)
        yield Span(first.start() if first else begin, stop, "PASSPORT_MRZ", score)
    for begin, stop, score in search(_NAME_ALONE, text, start, end, lambda match: 0.7):
        if "<<" in text[begin:stop]:
            yield Span(begin, stop, "PASSPORT_MRZ", score)


_NUMBER = compile_text(
    rf"""(?<![A-Z0-9])(?: passport | passeport | passaporto | pasaporte | paspoort | reisepass
            | driv(?:er|ing)[ '\u2019_-]{{0,2}}s?[ _-]{{0,2}}licen[cs]e | f[uü]hrerschein
            | personalausweis | id[ _-]?card | carte[ ]d.identit[ée] | identity[ ]card )
        (?: [ _-]?(?:number|num|no|nr|n[°º]|id|nummer|num[eé]ro|n[uú]mero)\b )?
        [\s:#=.,"'{SEPARATOR}°º()-]{{0,6}} (?: (?:is|ist|est|es|number|no|nr|value)\b
        [\s:#."'{SEPARATOR}]{{1,4}} ){{0,2}}
        (?P<number> (?=[A-Z]{{0,3}}[0-9]) (?=[A-Z0-9]{{0,8}}\d) [A-Z0-9]{{6,14}} )
        (?![A-Za-z0-9])""",
    re.IGNORECASE,
)


def _find_number(text: str, start: int, end: int) -> Iterator[Span]:
    def plausible(match: re.Match[str]) -> float:
        return 0.8 if sum(c.isdigit() for c in match["number"]) >= 4 else 0.0

    for _, stop, score in search(_NUMBER, text, start, end, plausible):
        begin = stop
        while begin > 0 and text[begin - 1].isascii() and text[begin - 1].isalnum():
            begin -= 1
        yield Span(begin, stop, "TRAVEL_DOCUMENT_NUMBER", score)


RECOGNIZERS = (
    Recognizer(
        name="travel.mrz",
        classes=(("PASSPORT_MRZ", "personal"),),
        triggers=(
            Trigger(r"[A-Z0-9<]{9}[0-9<][A-Z<]{3}\d{7}[MFX<]\d{7}", back=80, ahead=64),
            Trigger(r"[A-Z0-9<]{15}\s{1,3}\d{7}[MFX<]\d{7}[A-Z<]{3}", back=80, ahead=64),
            Trigger(r"P[A-Z<][A-Z]{1,3}<{0,2}[A-Z]{2}[A-Z<]{20}", back=48, ahead=48),
        ),
        find=_find,
    ),
    Recognizer(
        name="travel.document_number",
        classes=(("TRAVEL_DOCUMENT_NUMBER", "personal"),),
        triggers=(
            Trigger(
                r"pass(?:e?port|aporto)|pasaporte|paspoort|reisepass|driv(?:er|ing).{0,4}licen"
                r"|f.{1,2}hrerschein|personalausweis|id[ _-]?card|carte d.identit|identity card",
                back=24,
                ahead=4,
                caseless=True,
            ),
        ),
        find=_find_number,
    ),
)
