"""One press of a button: what it says when it is done, or why it was not."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from frontend.words import CATEGORIES, SENSITIVITIES
from policies.engine.labels import Label, Sensitivity


def attempt(request: HttpRequest, act: Callable[[], object], done: str) -> bool:
    """Do it and say `done`; or say what a service refused. PermissionDenied goes on: a 403."""
    try:
        act()
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return False
    messages.success(request, done)
    return True


def floor_in(request: HttpRequest) -> Label:
    """The floor that a form states. Raises ValidationError for a word that is not known."""
    categories = frozenset(request.POST.getlist("category"))
    if not categories <= set(CATEGORIES):
        raise ValidationError(_("Choose categories from the list."))
    try:
        return Label(Sensitivity.from_word(request.POST.get("sensitivity", "")), categories)
    except ValueError:
        raise ValidationError(_("Choose a sensitivity.")) from None


def floor_choices(now: Label) -> dict[str, Any]:
    """What a form for a floor shows, with `now` chosen."""
    return {
        "sensitivities": [
            (word, name, word == now.sensitivity.word) for word, name in SENSITIVITIES.items()
        ],
        "categories": [(word, name, word in now.categories) for word, name in CATEGORIES.items()],
    }


def chosen(given: str, words: dict[str, Any]) -> str:
    """One of `words`. Raises ValidationError: the page is out of date, or not ours."""
    if given not in words:
        raise ValidationError(_("Choose from the list."))
    return given
