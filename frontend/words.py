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
    "ANTHROPIC_API_KEY": _("Anthropic API key"),
    "AZURE_KEY": _("Azure key"),
    "CH_AHV": _("Swiss AHV number"),
    "DE_STEUER_ID": _("German tax number"),
    "DE_TAX_ID": _("German tax number"),
    "EMAIL_ADDRESS": _("e-mail address"),
    "ES_DNI": _("Spanish identity number"),
    "ES_NIE": _("Spanish foreigner number"),
    "FR_NIR": _("French social security number"),
    "GITHUB_TOKEN": _("GitHub key"),
    "GITLAB_TOKEN": _("GitLab key"),
    "HEALTH_INSURANCE_NUMBER": _("health insurance number"),
    "HUGGING_FACE_TOKEN": _("Hugging Face key"),
    "IBAN": _("IBAN account number"),
    "IP_ADDRESS": _("IP address"),
    "IT_CODICE_FISCALE": _("Italian tax code"),
    "IT_FISCAL_CODE": _("Italian tax code"),
    "JWT": _("signed access ticket"),
    "MAC_ADDRESS": _("MAC address"),
    "MEDICAL_RECORD_NUMBER": _("medical record number"),
    "NL_BSN": _("Dutch citizen number"),
    "NPM_TOKEN": _("npm key"),
    "OPENAI_API_KEY": _("OpenAI API key"),
    "PASSPORT_MRZ": _("passport"),
    "PASSWORD": _("password"),
    "PAYMENT_CARD": _("payment card"),
    "PHONE_NUMBER": _("phone number"),
    "PRIVATE_KEY": _("private key"),
    "PYPI_TOKEN": _("PyPI key"),
    "SLACK_TOKEN": _("Slack key"),
    "SLUICE_API_KEY": _("Sluice API key"),
    "SOURCE_CODE": _("source code"),
    "STRIPE_KEY": _("Stripe key"),
    "TRAVEL_DOCUMENT_NUMBER": _("travel document number"),
    "UK_NINO": _("UK insurance number"),
    "URL_PASSWORD": _("password in an address"),
    "US_SSN": _("US social security number"),
}
# Parts of class names that are no words.
_ACRONYMS = frozenset({"API", "AWS", "GCP", "NPM", "US", "UK", "DE", "ES", "FR", "IT", "NL"})


def sensitivity_word(name: str) -> str:
    """`confidential`, in the reader's language."""
    return str(SENSITIVITIES.get(name, name))


def category_word(name: str) -> str:
    """`payment`; an admin's own category keeps its name."""
    return str(CATEGORIES.get(name, name))


def class_word(name: str) -> str:
    """`IBAN` as people say it; others are spelt out: `AWS_ACCESS_KEY` is "AWS access key"."""
    known = DATA_CLASSES.get(name)
    if known is not None:
        return str(known)
    return " ".join(part if part in _ACRONYMS else part.lower() for part in name.split("_"))


def found_word(name: str, count: int) -> str:
    """A data class with how often it was found: "e-mail address (2)"."""
    return class_word(name) if count == 1 else f"{class_word(name)} ({count})"
