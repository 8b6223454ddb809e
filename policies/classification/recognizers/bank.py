"""Bank accounts: IBAN with its country's length and its checksum, however it is grouped."""

import re
from collections.abc import Iterator

from policies.classification.checksums import iban
from policies.classification.spans import Recognizer, Span, Trigger, compile_text

# ISO 13616 registry: characters of an IBAN by country.
_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
_START = compile_text(
    r"(?: (?<![A-Za-z0-9]) | (?<=[Ii][Bb][Aa][Nn]) ) ([A-Za-z][ ]?[A-Za-z]) [ ._/-]? \d [ ]? \d"
    r" (?= [\s._/-]{0,3} [A-Za-z0-9] )"
)
_CHARACTER = re.compile(r"[\s._/-]{0,3}([A-Za-z0-9])", re.ASCII)


def _find(text: str, start: int, end: int) -> Iterator[Span]:
    position = start
    while (match := _START.search(text, position, min(len(text), end + 8))) is not None:
        if match.start() >= end:
            return
        stop = _confirm(text, match)
        if stop:
            yield Span(match.start(), stop, "IBAN", 1.0)
            position = stop
        else:
            position = match.start() + 1


def _confirm(text: str, match: re.Match[str]) -> int:
    """The end of the IBAN that starts at `match`, or 0."""
    length = _LENGTHS.get(match[1].replace(" ", "").upper())
    if length is None:
        return 0
    characters = [c for c in match[0] if c.isalnum()]
    position = match.end()
    while len(characters) < length:
        step = _CHARACTER.match(text, position)
        if step is None:
            return 0
        characters.append(step[1])
        position = step.end()
    if position < len(text) and text[position].isascii() and text[position].isdigit():
        return 0
    return position if iban("".join(characters).upper()) else 0


RECOGNIZERS = (
    Recognizer(
        name="bank.iban",
        classes=(("IBAN", "payment"),),
        triggers=(
            # The shortest IBAN has fifteen characters; this fires once, at its fifteenth.
            Trigger(
                r"[^a-z0-9][a-z]{2}\d{2}[\s._/-]{0,3}(?:[a-z0-9][\s._/-]{0,3}){10}[a-z0-9]",
                back=64,
                caseless=True,
            ),
            Trigger(
                r"[^A-Za-z0-9][A-Z][ ]?[A-Z][ ._/-]?\d ?\d[\s._/-]{0,3}"
                r"(?:[A-Z0-9][\s._/-]{0,3}){10}[A-Z0-9]",
                back=64,
            ),
            Trigger(r"iban[a-z]{2}\d\d", back=8, ahead=2, caseless=True),
        ),
        find=_find,
    ),
)
