"""Medical record and health insurance numbers, and diagnosis codes, by their context.

The words may stand in the text before: a JSON key `mrn` and its value are neighbours.
"""

import re
from collections.abc import Iterator

from policies.classification.checksums import german_health_insurance, nhs_number
from policies.classification.recognizers.digits import NINE_DIGITS
from policies.classification.spans import (
    SEPARATOR,
    Recognizer,
    Span,
    Trigger,
    before,
    compile_text,
    digits_of,
    named,
    search,
    search_number,
)

# What may stand between the words and the number: punctuation and at most three short words.
_BETWEEN = rf"""[\s_:#=.,"'{SEPARATOR}/°º*|>()\[\]-]{{0,6}}
    (?: (?:no|nr|n|num|number|id|nummer|numero|num[eé]ro|n[uú]mero|code|is|ist|est|es|value|of
        |for|the|
        patient|was|was[ ]issued|lautet|records?|del|du|de|la|le|system|type|string)(?![a-z])
        [\s_:#=.,"'{SEPARATOR}/°º*|>()-]{{1,6}} ){{0,4}}"""
_NUMBER = r"""(?P<number> (?:[A-Z]{1,4}[ ./-]?)? \d [0-9A-Z]{0,15}
    (?: [ ./-] (?=[A-Z]{0,3}\d) [0-9A-Z]{1,12} ){0,4} ) (?![A-Za-z0-9])"""

_RECORD_WORDS = r"""(?: mrn (?![a-z]) | medical[ _-]?rec(?:ord)?
        | patient[ _-]?(?:id|no|nr|num\w{0,3}|ref\w{0,6}|record)
    | patienten(?:nummer|nr|[ _-]?id|akte) | \bfall(?:nummer|nr) | krankenakte
    | hospital[ _-]?(?:no|num\w{0,3}|id) | health[ _-]?record | chart[ _-]?(?:no|num\w{0,3}|id)
    | dossier[ ](?:m[eé]dical|patient) | num[eé]ro[ ](?:de[ ])?(?:dossier|patient)
        | (?<![a-z]) ipp (?![a-z])
    | historia[ ]cl[ií]nica | (?<![a-z]) nhc (?![a-z]) | n[uú]mero[ ](?:de[ ])?paciente
        | expediente[ ](?:m[eé]dico|cl[ií]nico)
    | cartella[ ]clinica | numero[ ](?:di[ ])?(?:paziente|cartella)
    | pati[eë]nt(?:en)?(?:nummer|nr) | dossiernummer )"""
_INSURANCE_WORDS = r"""(?: health[ _-]?(?:insurance|plan|card|cover\w{0,3})
        | medical[ _-]?(?:insurance|aid)
    | (?:insurance|insured|subscriber|beneficiary|medicaid|medicare|\bhicn
        |\bmbi)[ _-]?(?:member|policy|card|claim|plan|id|no|num\w{0,3})?
    | (?:member|policy)[ _-]?(?:id|no|num\w{0,3})(?=.{0,40}(?:insur|health|medic))
    | krankenvers\w{0,20} | versicherten?(?:nummer|nr|[ _-]?id)
        | kranken(?:kasse|kassen)\w{0,8} | \b kvnr
    | carte[ ]vitale | assurance[ ]maladie | mutuelle | tarjeta[ ]sanitaria | seguridad[ ]social
    | seguro[ ](?:m[eé]dico|de[ ]salud) | tessera[ ]sanitaria | zorgverzekering\w{0,8}
        | \b ehic )"""
_DIAGNOSIS_WORDS = r"""(?: (?<![a-z]) icd (?:[ _-]?(?:9|10|11))? (?:[ _-]?(?:cm|gm|code\w?))?
        | diagnos[eiít]\w{0,5}
    | (?<![a-z]) dx (?![a-z]) | (?<![a-z]) diag (?![a-z]) )"""

_RECORD = compile_text(_RECORD_WORDS + _BETWEEN + _NUMBER, re.IGNORECASE)
_INSURANCE = compile_text(_INSURANCE_WORDS + _BETWEEN + _NUMBER, re.IGNORECASE)
_DIAGNOSIS = compile_text(
    _DIAGNOSIS_WORDS
    + rf"""[\s:#=.,"'{SEPARATOR}()\[\]-]{{0,6}}
      (?: (?:code|is|ist|est|of|with|as|coded|value|primary|secondary)\b
        [\s:#="'{SEPARATOR}()-]{{1,4}} ){{0,3}}
      (?P<number> [A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{{1,4}})? ) (?![A-Za-z0-9])""",
    re.IGNORECASE,
)


def _by_context(
    pattern: re.Pattern[str], data_class: str, text: str, start: int, end: int
) -> Iterator[Span]:
    check = _is_code if data_class == "DIAGNOSIS_CODE" else _has_number
    for found, stop, score in search(pattern, text, start, end, check):
        match = pattern.match(text, found, stop)
        begin = match.start("number") if match else found
        yield Span(begin, stop, data_class, score)


def _is_code(match: re.Match[str]) -> float:
    return 0.8


def _has_number(match: re.Match[str]) -> float:
    number = match["number"]
    if re.fullmatch(r"(?:19|20)\d\d(?:[./-]\d{1,2}){0,2}", number):  # a year or a date
        return 0.0
    digits = sum(c.isdigit() for c in number)
    return 0.85 if digits >= 4 and digits * 2 >= len(number) - 2 else 0.0


def _recognizer(name: str, data_class: str, pattern: re.Pattern[str], trigger: str) -> Recognizer:
    def find(text: str, start: int, end: int) -> Iterator[Span]:
        return _by_context(pattern, data_class, text, start, end)

    return Recognizer(
        name=name,
        classes=((data_class, "health"),),
        triggers=(Trigger(trigger, back=40, ahead=4, caseless=True),),
        find=find,
    )


# Forms that need no words: the UK's NHS number and the German one by check digit and grouping,
# the US Medicare number by its alternation of letters and digits.
_NHS = compile_text(r"(?<![\w.,+/-]) \d{3} [ -] \d{3} [ -] \d{4} (?! \w | [.,-]\d )")
_NHS_BARE = compile_text(r"(?<![\w.,+/-]) \d{10} (?! \w | [.,-]\d )")
_NHS_WORDS = compile_text(
    r"nhs (?![a-z]) | national[ ]health | health[ _-]?(?:service|number|no) | patient",
    re.IGNORECASE,
)
_KVNR = compile_text(
    r"(?<![A-Za-z0-9]) [A-Z] [ ]? \d{3} [ ]? \d{3} [ ]? \d{3} (?![A-Za-z0-9]|\.\d)"
)
_KVNR_WORDS = compile_text(
    r"(?: versicher | kranken | \b kv | \b gkv | gesundheit | \b kasse | insur | health )"
    r" [^\n]{0,40} \Z",
    re.IGNORECASE,
)
_MBI = compile_text(
    r"""(?<![A-Za-z0-9]) [1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d -
        [AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d
        - [AC-HJKMNP-RT-Y]{2}\d{2} (?![A-Za-z0-9])"""
)


def _find_nhs(text: str, start: int, end: int) -> Iterator[Span]:
    def grouped(match: re.Match[str]) -> float:
        if not nhs_number(digits_of(match[0])):
            return 0.0
        by_name = named(text, match.start(), _NHS_WORDS)
        # 3-3-4 is also how telephone numbers are written, and one in eleven passes the check.
        return 0.95 if by_name else 0.0

    def bare(match: re.Match[str]) -> float:
        by_name = nhs_number(match[0]) and named(text, match.start(), _NHS_WORDS)
        return 0.95 if by_name else 0.0

    for pattern, check in ((_NHS, grouped), (_NHS_BARE, bare)):
        for begin, stop, score in search_number(pattern, text, start, end, check):
            yield Span(begin, stop, "HEALTH_INSURANCE_NUMBER", score)


def _find_forms(text: str, start: int, end: int) -> Iterator[Span]:
    def german(match: re.Match[str]) -> float:
        number = match[0].replace(" ", "")
        by_name = before(text, match.start(), _KVNR_WORDS, 64)
        return 0.9 if by_name and german_health_insurance(number) else 0.0

    for begin, stop, score in search_number(_KVNR, text, start, end, german):
        yield Span(begin, stop, "HEALTH_INSURANCE_NUMBER", score)
    for begin, stop, score in search_number(_MBI, text, start, end, lambda match: 0.9):
        yield Span(begin, stop, "HEALTH_INSURANCE_NUMBER", score)


_INSURANCE_CLASS = (("HEALTH_INSURANCE_NUMBER", "health"),)
RECOGNIZERS = (
    _recognizer(
        "medical.record_number",
        "MEDICAL_RECORD_NUMBER",
        _RECORD,
        r"mrn|medical[ _-]?rec|patient[ _-]?(?:id|no|nr|num|ref|record)|patienten(?:n|[ _-]?id"
        r"|akte)"
        r"|\bfall(?:nummer|nr)|krankenakte|hospital[ _-]?(?:no|num|id)|health[ _-]?record"
        r"|chart[ _-]?(?:no|num|id)|dossier (?:m.{1,2}dical|patient)|num.{1,2}ro (?:de"
        r" )?(?:dossier|paci|patient)"
        r"|[^a-z](?:ipp|nhc)[^a-z]|historia cl|expediente (?:m|cl)|cartella clin|numero (?:di"
        r" )?(?:paz|cart)"
        r"|pati.{1,2}nt(?:en)?(?:nummer|nr)|dossiernummer",
    ),
    _recognizer(
        "medical.insurance_number",
        "HEALTH_INSURANCE_NUMBER",
        _INSURANCE,
        r"health[ _-]?(?:insurance|plan|card|cover)|medical[ _-]?(?:insurance|aid)|insurance"
        r"|insured"
        r"|subscriber|beneficiary|medicaid|medicare|\bhicn|\bmbi|(?:member|policy)[ _-]?(?:id"
        r"|no|num)"
        r"|krankenvers|versicherten?(?:n|[ _-]?id)|krankenkasse|\bkvnr|carte vitale|assurance"
        r" maladie"
        r"|mutuelle|tarjeta sanitaria|seguridad social|seguro (?:m|de salud)|tessera sanitaria"
        r"|zorgverzekering|\behic",
    ),
    _recognizer(
        "medical.diagnosis_code",
        "DIAGNOSIS_CODE",
        _DIAGNOSIS,
        r"[^a-z](?:icd|dx|diag)|diagnos",
    ),
    Recognizer(
        name="medical.nhs_number",
        classes=_INSURANCE_CLASS,
        triggers=(NINE_DIGITS,),
        find=_find_nhs,
    ),
    Recognizer(
        name="medical.insurance_forms",
        classes=_INSURANCE_CLASS,
        triggers=(
            Trigger(r"\b[A-Z] ?\d{3} ?\d{3} ?\d{3}\b", back=20, ahead=2),
            Trigger(r"[1-9][A-Y][A-Y0-9]\d-[A-Y][A-Y0-9]\d-[A-Y]{2}\d\d", back=20, ahead=2),
        ),
        find=_find_forms,
    ),
)
