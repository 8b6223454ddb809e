"""Every recognizer that is shipped, and what each data class counts as."""

from collections.abc import Mapping
from types import MappingProxyType

from policies.classification.recognizers import (
    bank,
    card,
    code,
    credentials,
    email,
    medical,
    national_ids,
    network,
    phone,
    travel,
    vendor_keys,
)
from policies.classification.spans import Recognizer

RECOGNIZERS: tuple[Recognizer, ...] = (
    *email.RECOGNIZERS,
    *phone.RECOGNIZERS,
    *bank.RECOGNIZERS,
    *card.RECOGNIZERS,
    *national_ids.RECOGNIZERS,
    *travel.RECOGNIZERS,
    *network.RECOGNIZERS,
    *medical.RECOGNIZERS,
    *vendor_keys.RECOGNIZERS,
    *credentials.RECOGNIZERS,
)

# Data class -> category.
DATA_CLASSES: Mapping[str, str] = MappingProxyType(
    {name: category for recognizer in RECOGNIZERS for name, category in recognizer.classes}
    | dict(code.CLASSES)
)
# The categories that some recognizer finds. Every other one (legal, an admin's own without a
# word list) is only declared.
DETECTED_CATEGORIES: frozenset[str] = frozenset(DATA_CLASSES.values())
