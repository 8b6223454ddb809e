"""What a partial mask keeps of a value, and which spellings of a value a keyed hash joins."""

import re
import unicodedata

REMOVED = "***"
_LEAST_KEPT = 2
_MOST_KEPT = 4

# Numbers that people tell apart by their last digits.
_NUMBERS = frozenset(
    "PHONE_NUMBER PAYMENT_CARD IBAN US_SSN UK_NINO DE_TAX_ID ES_DNI ES_NIE IT_FISCAL_CODE FR_NIR "
    "CH_AHV NL_BSN TRAVEL_DOCUMENT_NUMBER MEDICAL_RECORD_NUMBER HEALTH_INSURANCE_NUMBER".split()
)
_DOMAIN = re.compile(r"[^\s@]+@(?P<kept>[^\s@/%&\\]+\.[^\s@/%&\\]+)")
_NETWORK = re.compile(
    r"(?P<kept>\d{1,3}\.\d{1,3}\.)\d{1,3}\.\d{1,3}|(?P<kept6>[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:)"
    r"[0-9A-Fa-f:.]{3,}",
    re.ASCII,
)
_VENDOR = re.compile(r"(?P<kept>(?:[0-9A-Fa-f]{2}[:-]){3})(?:[0-9A-Fa-f]{2}[:-]?){3}", re.ASCII)
_SCHEME = re.compile(r"(?P<kept>[A-Za-z][A-Za-z0-9+.-]{0,30}://).+", re.ASCII)
_CHAPTER = re.compile(r"(?P<kept>[A-Za-z])[0-9][0-9A-Za-z.]+", re.ASCII)


def partly(data_class: str, value: str) -> str:
    """A part of the value that helps to tell it from others: the domain of an address, the
    network of a host, the last characters of a number (at most four, and at most a third).

    Of secrets, documents, code and a project's own words nothing is kept, nor of a value that is
    encoded or spelt in an unusual way.
    """
    if data_class in _NUMBERS:
        characters = [c for c in value if c.isalnum()]
        kept = min(_MOST_KEPT, len(characters) // 3)
        return REMOVED + "".join(characters[-kept:]) if kept >= _LEAST_KEPT else REMOVED
    match data_class:
        case "EMAIL_ADDRESS":
            found = _DOMAIN.fullmatch(value)
            return f"{REMOVED}@{found['kept']}" if found else REMOVED
        case "IP_ADDRESS":
            found = _NETWORK.fullmatch(value)
            return (found["kept"] or found["kept6"]) + REMOVED if found else REMOVED
        case "MAC_ADDRESS":
            found = _VENDOR.fullmatch(value)
        case "URL_PASSWORD":
            found = _SCHEME.fullmatch(value)
        case "DIAGNOSIS_CODE":
            found = _CHAPTER.fullmatch(value)
        case _:
            found = None
    return found["kept"] + REMOVED if found else REMOVED


def canonical(data_class: str, value: str) -> str:
    """The value as a keyed hash compares it: spellings that surely mean the same are equal.

    Secrets and a project's own words are compared exactly as they stand.
    """
    if data_class in _NUMBERS:
        plain = unicodedata.normalize("NFKC", value)
        bare = "".join([c for c in plain if c.isalnum()]).upper()
        return bare.removeprefix("00") if data_class == "PHONE_NUMBER" else bare
    if data_class in {"EMAIL_ADDRESS", "IP_ADDRESS", "MAC_ADDRESS"}:
        return unicodedata.normalize("NFKC", value).casefold()
    return value
