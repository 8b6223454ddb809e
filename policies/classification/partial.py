"""What a partial mask keeps of a value, and which spellings of a value a keyed hash joins."""

import re

_KEPT = "***"


def partly(data_class: str, value: str) -> str:
    """A part of the value that tells it from others without being it."""
    if data_class == "EMAIL_ADDRESS" and "@" in value:
        return f"{_KEPT}@{value.rpartition('@')[2]}"
    if data_class in {"PAYMENT_CARD", "IBAN"} and len(value) > 11:
        return f"{_KEPT}{value[-4:]}"
    return _KEPT


def canonical(data_class: str, value: str) -> str:
    """The value as it is compared: other spellings of the same value give the same."""
    if data_class == "EMAIL_ADDRESS":
        return value.casefold()
    if data_class in {"PAYMENT_CARD", "IBAN"}:
        return re.sub(r"[\W_]+", "", value).upper()
    return value
