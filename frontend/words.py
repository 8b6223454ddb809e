"""What people read for the names that policies use."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SENSITIVITIES: Final[dict[str, Promise]] = {
    "public": _("public"),
    "internal": _("internal"),
    "confidential": _("confidential"),
    "restricted": _("restricted"),
}

CATEGORIES: Final[dict[str, Promise]] = {
    "personal": _("personal"),
    "health": _("health"),
    "payment": _("payment"),
    "secret": _("secret"),
    "code": _("source code"),
    "legal": _("legal"),
}

DATA_CLASSES: Final[dict[str, Promise]] = {
    "EMAIL_ADDRESS": _("e-mail address"),
    "PHONE_NUMBER": _("phone number"),
    "IBAN": _("IBAN account number"),
    "PAYMENT_CARD": _("payment card"),
    "IP_ADDRESS": _("IP address"),
    "MAC_ADDRESS": _("MAC address"),
    "SOURCE_CODE": _("source code"),
    "PRIVATE_KEY": _("private key"),
    "JWT": _("JWT"),
    "MEDICAL_RECORD": _("medical record number"),
    "HEALTH_INSURANCE": _("health insurance number"),
    "PASSPORT_MRZ": _("passport"),
}


def sensitivity_word(name: str) -> str:
    """`confidential`, in the reader's language."""
    return str(SENSITIVITIES.get(name, name))


def category_word(name: str) -> str:
    """`payment`; an admin's own category keeps its name."""
    return str(CATEGORIES.get(name, name))


def class_word(name: str) -> str:
    """`IBAN` as people say it; an unknown class is spelt out: `US_SSN` becomes "US SSN"."""
    return str(DATA_CLASSES.get(name) or name.replace("_", " "))


def found_word(name: str, count: int) -> str:
    """A data class with how often it was found: "e-mail address (2)"."""
    return class_word(name) if count == 1 else f"{class_word(name)} ({count})"
