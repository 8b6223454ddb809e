"""What people call a data class, and how several things are listed."""

from collections.abc import Mapping, Sequence

Nouns = Mapping[str, tuple[str, str]]

# (one, several). Others are spelt out from their name.
NOUNS: Nouns = {
    "EMAIL_ADDRESS": ("e-mail address", "e-mail addresses"),
    "PERSON_NAME": ("name", "names"),
    "PHONE_NUMBER": ("phone number", "phone numbers"),
    "IBAN": ("IBAN", "IBANs"),
    "PAYMENT_CARD": ("payment card number", "payment card numbers"),
    "CREDIT_CARD": ("payment card number", "payment card numbers"),
    "US_SSN": ("US social security number", "US social security numbers"),
    "IP_ADDRESS": ("IP address", "IP addresses"),
    "MAC_ADDRESS": ("MAC address", "MAC addresses"),
    "JWT": ("JSON web token", "JSON web tokens"),
    "SOURCE_CODE": ("piece of source code", "pieces of source code"),
}


def counted(data_class: str, count: int, nouns: Nouns = NOUNS) -> str:
    """`2 e-mail addresses`."""
    plain = data_class.lower().replace("_", " ")
    one, several = nouns.get(data_class, (plain, f"{plain}s"))
    return f"{count} {one if count == 1 else several}"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
