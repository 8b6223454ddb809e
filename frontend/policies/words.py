"""Choices of the policy's forms: what a document writes, and what people read."""

from collections.abc import Iterable
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.words import SENSITIVITIES, category_word, class_word
from policies.classification.recognizers import DATA_CLASSES
from policies.engine.reading import DAYS, ENDPOINTS

Choices = list[tuple[str, str | Promise]]

ZONES: Final[Choices] = [
    ("on_prem", _("On-prem")),
    ("private_cloud", _("Private cloud")),
    ("cloud", _("Cloud")),
]
ANY_SENSITIVITY: Final[Choices] = [("", _("any")), *SENSITIVITIES.items()]
MODES: Final[Choices] = [
    ("placeholder", _("a placeholder, put back in the answer")),
    ("hash", _("a keyed hash, the same for the same value")),
    ("partial", _("a part of the value")),
    ("remove", _("nothing: it is taken out")),
]
EFFECTS: Final[Choices] = [
    ("allow_only", _("Allow only some deployments")),
    ("mask", _("Mask what is found")),
    ("require_approval", _("Ask for an approval first")),
    ("prefer", _("Prefer some deployments")),
    ("deny", _("Refuse it")),
]
BUDGETS: Final[Choices] = [
    ("ok", _("fine")),
    ("warned", _("80 % spent")),
    ("exhausted", _("spent")),
]
MODALITIES: Final[Choices] = [
    ("text", _("text")),
    ("image", _("images")),
    ("audio", _("audio")),
    ("video", _("video")),
    ("file", _("files")),
]
TOOLS: Final[Choices] = [
    ("", _("does not matter")),
    ("yes", _("brings tools")),
    ("no", _("brings none")),
]
TRAINS: Final[Choices] = [
    ("", _("does not matter")),
    ("no", _("does not train on data")),
    ("yes", _("trains on data")),
]
_DAY_WORDS: Final = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))
DAY_CHOICES: Final[Choices] = list(zip(DAYS, _DAY_WORDS, strict=True))
# Categories as most policies need them.
_COMMON: Final = ("personal", "payment", "health", "secret", "code")
ENDPOINT_CHOICES: Final[Choices] = [(name, name) for name in ENDPOINTS]


def plain(names: Iterable[str]) -> Choices:
    """Names that people gave themselves."""
    return [(name, name) for name in sorted(names)]


def categories(names: Iterable[str]) -> Choices:
    """Categories, by their words."""
    return sorted(((name, category_word(name)) for name in names), key=lambda each: each[1])


def classes(names: Iterable[str]) -> Choices:
    """Data classes by their words, those of one category beside each other."""
    ordered = sorted(names, key=lambda name: (_rank(name), class_word(name).casefold()))
    return [(name, class_word(name)) for name in ordered]


def _rank(name: str) -> int:
    category = DATA_CLASSES.get(name, "")
    return _COMMON.index(category) if category in _COMMON else len(_COMMON)
