"""What came of a test, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gateway.deployments.testing import Result, Tested

_WORDS: Final[Mapping[Result, Promise]] = {
    Result.WELL: gettext_lazy("It answers, and has the model."),
    Result.CONNECTED: gettext_lazy(
        "It answers. Its credential and its model are first tried by a request."
    ),
    Result.STOPPED: gettext_lazy("Not tried: everything that leaves is stopped."),
    Result.NO_CREDENTIAL: gettext_lazy(
        "Its credential cannot be opened with the keys there are: give it again."
    ),
    Result.UNREACHABLE: gettext_lazy("It cannot be reached."),
    Result.REFUSED: gettext_lazy("It answers, and does not take the credential."),
    Result.ODD: gettext_lazy("It answers something else than a list of models."),
    Result.NO_SUCH_MODEL: gettext_lazy("It answers, and has no model of this name."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A sentence, and what else to know."""

    well: bool
    sentence: str
    detail: str


def tested_words(tested: Tested) -> Words:
    """As the page says it."""
    detail = tested.detail
    if tested.models:
        detail = _("It has: %(models)s") % {"models": ", ".join(tested.models)}
    return Words(well=tested.is_well, sentence=str(_WORDS[tested.result]), detail=detail)
