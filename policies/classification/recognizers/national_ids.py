"""Numbers that a state gives to a person, confirmed by their check digit where they have one."""

import re
from collections.abc import Callable, Iterator

from policies.classification import checksums
from policies.classification.recognizers.digits import NINE_DIGITS
from policies.classification.spans import (
    Recognizer,
    Span,
    Trigger,
    before,
    compile_text,
    digits_of,
    named,
    search_number,
)

_US_SSN = compile_text(
    r"""(?<![\w.+/-]) (?!000|666) \d{3} (?: [ \t./_:] | [ ]?--?\s? ) (?!00) \d{2}
        (?: [ \t./_:] | [ ]?--?\s? ) (?!0000) \d{4} (?! \w | [.,:/-]\d )"""
)
# Without its usual groups a number needs the words.
_NINE = compile_text(
    r"""(?<![\d.,+/-]) (?!000|666|9) \d{3}
        (?: \s?\d{2}\s?\d{4} | [ -]\d{3}[ -]\d{3} ) (?! \w | [.,-]\d )"""
)
_SSN_WORDS = compile_text(
    r"""(?: ssn (?![a-z]) | social[ _-]?sec | (?:my|his|her|their)[ ]social | soc[. ]{1,2}sec
        | taxpayer | (?<![a-z]) i?tin (?![a-z]) )""",
    re.IGNORECASE,
)
_UK_NINO = compile_text(
    r"""(?<![A-Za-z0-9]) (?!BG|GB|KN|NK|NT|TN|ZZ) (?: QQ
        | [A-CEGHJ-PR-TW-Z] [ ]? [A-CEGHJ-NPR-TW-Z] )
        ([ .-]?) \d{2} \1 \d{2} \1 \d{2} [ .-]? [A-D] (?![A-Za-z0-9])""",
    re.IGNORECASE,
)
_NINO_WORDS = compile_text(
    r"(?: nino (?![a-z]) | national[ _-]?ins | \b ni[ ](?:no|num) ) [^\n]{0,24} \Z", re.IGNORECASE
)
_DE_TAX = compile_text(
    r"(?<![\w.,+-]) [1-9]\d ([ ./-]?) \d{3} \1 \d{3} \1 \d{3} (?! \w | [.,-]\d )"
)
_ES_DNI = compile_text(
    r"(?<![A-Za-z0-9.,]) (?: \d{8} | \d{2}[. ]\d{3}[. ]\d{3} ) [ ./-]? [A-HJ-NP-TV-Z]"
    r" (?![A-Za-z0-9])",
    re.IGNORECASE,
)
_ES_NIE = compile_text(
    r"(?<![A-Za-z0-9]) [XYZ] [ .-]? (?: \d{7} | \d[. ]\d{3}[. ]\d{3} ) [ ./-]? [A-HJ-NP-TV-Z]"
    r" (?![A-Za-z0-9])",
    re.IGNORECASE,
)
_IT_CODE = compile_text(
    r"""(?<![A-Za-z0-9]) [A-Z]{3} [ -]? [A-Z]{3} [ -]? \d[0-9L-NP-V] [A-EHLMPR-T] [0-9L-NP-V]{2}
        [ -]? [A-Z] [0-9L-NP-V]{3} [ -]? [A-Z] (?![A-Za-z0-9])""",
    re.IGNORECASE,
)
_FR_NIR = compile_text(
    r"""(?<![\w.,]) [1-478] [ .-]? \d{2} [ .-]? (?: 0[1-9] | 1[0-2] | [2-9]\d ) [ .-]?
        (?: \d{2} | 2[ABab] ) [ .-]? \d{3} [ .-]? \d{3} [ ./-]{0,3} \d{2} (?! \w | [.,]\d )"""
)
_CH_AHV = compile_text(r"(?<![\w.,]) 756 [ .-]? \d{4} [ .-]? \d{4} [ .-]? \d{2} (?! \w | [.,]\d )")
_NL_BSN = compile_text(r"(?<![\w.,]) \d{4} [ .]? \d{2} [ .]? \d{3} (?! \w | [.,]\d )")
_BSN_WORDS = compile_text(r"(?: bsn (?![a-z]) | burgerservice | sofi[ -]?num )", re.IGNORECASE)

Check = Callable[[str, re.Match[str]], float]


def _ssn(text: str, match: re.Match[str]) -> float:
    return 0.9


def _ssn_named(text: str, match: re.Match[str]) -> float:
    return 0.9 if named(text, match.start(), _SSN_WORDS) else 0.0


def _nino(text: str, match: re.Match[str]) -> float:
    written = match[0]
    # Nine lower-case hexadecimal characters are more often a commit than a person.
    if written.islower() and " " not in written and set(written) <= set("abcdef0123456789"):
        return 0.9 if before(text, match.start(), _NINO_WORDS) else 0.0
    return 0.95


def _german_tax(text: str, match: re.Match[str]) -> float:
    digits = digits_of(match[0])
    counts = sorted((digits[:10].count(digit) for digit in set(digits[:10])), reverse=True)
    # Exactly one digit appears twice or three times among the first ten.
    if counts[0] not in {2, 3} or (len(counts) > 1 and counts[1] != 1):
        return 0.0
    return 0.9 if checksums.mod_11_10(digits) else 0.0


def _dni(text: str, match: re.Match[str]) -> float:
    letter = match[0][-1]
    # "12345678 a": a number and a word.
    if letter.islower() and match[0][-2] == " ":
        return 0.0
    return 0.9 if checksums.spanish_letter(int(digits_of(match[0]))) == letter.upper() else 0.0


def _nie(text: str, match: re.Match[str]) -> float:
    first = str("XYZ".index(match[0][0].upper()))
    number = int(first + digits_of(match[0]))
    return 0.95 if checksums.spanish_letter(number) == match[0][-1].upper() else 0.0


def _italian(text: str, match: re.Match[str]) -> float:
    code = "".join([c for c in match[0] if c.isalnum()]).upper()
    return 0.99 if checksums.fiscal_code_letter(code[:15]) == code[15] else 0.0


def _nir(text: str, match: re.Match[str]) -> float:
    characters = "".join([c for c in match[0] if c.isalnum()]).upper()
    return 0.95 if checksums.nir_key(characters[:13]) == int(characters[13:]) else 0.0


def _ahv(text: str, match: re.Match[str]) -> float:
    return 0.95 if checksums.ean13(digits_of(match[0])) else 0.0


def _bsn(text: str, match: re.Match[str]) -> float:
    if not checksums.dutch_eleven(digits_of(match[0])):
        return 0.0
    return 0.9 if named(text, match.start(), _BSN_WORDS) else 0.0


def _by_digits(text: str, start: int, end: int) -> Iterator[Span]:
    for pattern, check, data_class in _NUMBERS:
        yield from _confirm(pattern, check, data_class, text, start, end)


_NUMBERS: tuple[tuple[re.Pattern[str], Check, str], ...] = (
    (_US_SSN, _ssn, "US_SSN"),
    (_NINE, _ssn_named, "US_SSN"),
    (_DE_TAX, _german_tax, "DE_TAX_ID"),
    (_FR_NIR, _nir, "FR_NIR"),
    (_CH_AHV, _ahv, "CH_AHV"),
    (_NL_BSN, _bsn, "NL_BSN"),
)


def _confirm(
    pattern: re.Pattern[str], check: Check, data_class: str, text: str, start: int, end: int
) -> Iterator[Span]:
    for begin, stop, score in search_number(
        pattern, text, start, end, lambda match: check(text, match)
    ):
        yield Span(begin, stop, data_class, score)


def _one(
    name: str, data_class: str, pattern: re.Pattern[str], check: Check, trigger: str
) -> Recognizer:
    def find(text: str, start: int, end: int) -> Iterator[Span]:
        return _confirm(pattern, check, data_class, text, start, end)

    return Recognizer(
        name=name,
        classes=((data_class, "personal"),),
        triggers=(Trigger(trigger, back=40, caseless=True),),
        find=find,
    )


RECOGNIZERS = (
    Recognizer(
        name="national.numbers",
        classes=tuple((data_class, "personal") for data_class in sorted({n[2] for n in _NUMBERS})),
        triggers=(
            NINE_DIGITS,
            Trigger(r"\d{3}[ \t./_:-]{1,3}\d{2}[ \t\r\n./_:-]{1,3}\d{4}", back=20, ahead=4),
            Trigger(r"\d{3}\s\d{2}\s\d{4}", back=16, ahead=4),
        ),
        find=_by_digits,
    ),
    _one(
        "national.fr_nir_corsica",
        "FR_NIR",
        _FR_NIR,
        _nir,
        r"\d{2}[ .-]?\d{2}[ .-]?2[ab][ .-]?\d{3}[ .-]?\d{3}[ ./-]{0,3}\d{2}",
    ),
    _one(
        "national.uk_nino",
        "UK_NINO",
        _UK_NINO,
        _nino,
        r"[a-z] ?[a-z][ .-]?\d{2}[ .-]?\d{2}[ .-]?\d{2}[ .-]?[a-d]",
    ),
    _one(
        "national.es_dni",
        "ES_DNI",
        _ES_DNI,
        _dni,
        r"\d{2}[. ]?\d{3}[. ]?\d{3}[ ./-]?[a-z]",
    ),
    _one(
        "national.es_nie",
        "ES_NIE",
        _ES_NIE,
        _nie,
        r"[xyz][ .-]?\d[. ]?\d{3}[. ]?\d{3}[ ./-]?[a-z]",
    ),
    _one(
        "national.it_fiscal_code",
        "IT_FISCAL_CODE",
        _IT_CODE,
        _italian,
        r"[a-z]{3}[ -]?\d[0-9l-v][a-t][0-9l-v]{2}[ -]?[a-z][0-9l-v]{3}[ -]?[a-z]",
    ),
)
