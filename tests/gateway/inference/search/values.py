"""What is planted in requests: values whose class is known because they were made that way.

Nothing here asks a recognizer. Checksums are computed from their own definitions, every value is
random and long enough never to stand in a body by chance.
"""

import base64
import json
import string
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

CODE_NAMES = tuple(
    f"{first}{second}"
    for first in ("amber", "birch", "cobalt", "dune", "ember", "fjord", "gale", "heron")
    for second in ("wick", "stone", "mere", "forge", "haven", "crest", "field", "moor")
)


@dataclass(frozen=True, slots=True)
class Planted:
    """`text` goes into a request; none of `forms` may arrive where the category may not."""

    data_class: str
    category: str
    text: str
    forms: tuple[str, ...]
    joined: bool = False  # only stands whole when something is taken out of its middle


def _digits(rng: Random, count: int) -> str:
    return str(rng.randint(1, 9)) + "".join(rng.choices(string.digits, k=count - 1))


def _letters(rng: Random, count: int) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=count))


def luhn_digit(digits: str) -> str:
    """The check digit that ISO/IEC 7812-1 puts behind `digits`."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card_number(rng: Random) -> str:
    digits = "4" + "".join(rng.choices(string.digits, k=14))
    return digits + luhn_digit(digits)


def _email(rng: Random) -> Planted:
    value = f"{_letters(rng, 7)}.{_letters(rng, 8)}@{_letters(rng, 6)}.example"
    return Planted("EMAIL_ADDRESS", "personal", f"write to {value} please", (value,))


def _card(rng: Random) -> Planted:
    value = card_number(rng)
    mark = rng.choice(("", " ", "-"))
    spelt = mark.join(value[at : at + 4] for at in range(0, 16, 4))
    return Planted("PAYMENT_CARD", "payment", f"card {spelt} expires soon", (value,))


def _iban(rng: Random) -> Planted:
    account = _digits(rng, 18)
    # ISO 13616: the country's letters as numbers (D 13, E 14), then the remainder of 97.
    check = 98 - int(account + "131400") % 97
    value = f"DE{check:02}{account}"
    spelt = " ".join(value[at : at + 4] for at in range(0, 22, 4)) if rng.random() < 0.5 else value
    return Planted("IBAN", "payment", f"pay to IBAN {spelt} today", (value,))


def _record_number(rng: Random) -> Planted:
    value = _digits(rng, 9)
    return Planted("MEDICAL_RECORD_NUMBER", "health", f"patient id: {value} was seen", (value,))


def _access_key(rng: Random) -> Planted:
    value = "AKIA" + "".join(rng.choices(string.ascii_uppercase + "234567", k=16))
    return Planted("AWS_ACCESS_KEY", "secret", f"use {value} there", (value,))


def _ssn(rng: Random) -> Planted:
    value = f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"
    return Planted("US_SSN", "personal", f"SSN {value} on file", (value,))


def _code_name(rng: Random) -> Planted:
    value = rng.choice(CODE_NAMES)
    return Planted("CODE_NAMES", "mergers", f"about {value} we say", (value,))


def _split_card(rng: Random) -> Planted:
    value, mail = card_number(rng), f"{_letters(rng, 9)}@{_letters(rng, 8)}.example"
    text = f"account {value[:8]} {mail} {value[8:]} noted"
    return Planted("PAYMENT_CARD", "payment", text, (value,), joined=True)


_MAKERS: tuple[Callable[[Random], Planted], ...] = (
    *(_email, _email, _email, _card, _card, _iban, _record_number, _access_key, _ssn),
    *(_code_name, _split_card, _split_card),
)


def planted(rng: Random) -> Planted:
    """One value, as a sentence holds it."""
    return rng.choice(_MAKERS)(rng)


def encoded(rng: Random, value: Planted) -> Planted:
    """The same in a form that a server would read: escaped JSON within a string, or base64."""
    if rng.random() < 0.5:
        text = json.dumps({"note": value.text, "n": 1})
        return Planted(value.data_class, value.category, text, value.forms)
    packed = base64.b64encode(f"note: {value.text}".encode()).decode()
    return Planted(value.data_class, value.category, packed, (*value.forms, packed))
