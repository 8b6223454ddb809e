"""Free text of events, without people: whoever is named there stands as their id.

An event is never changed again, so what people type into a reason must not be the one place that
still names a person after they were erased. Known e-mail addresses and whole names become
`user:<uuid>`, which means nobody once the account behind it is gone; other addresses go.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeVar

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import F, Q, Value
from django.db.models.functions import Length, Lower, StrIndex

FREE_TEXT: Final = frozenset({"reason", "note"})
NO_ADDRESS: Final = "(address)"
_ADDRESS: Final = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_T = TypeVar("_T")


def is_free_text(type_: str, name: str) -> bool:
    """Whether people type this detail as they like."""
    return name in FREE_TEXT or (name == "name" and type_.startswith("key."))


def without_people(type_: str, details: Mapping[str, _T]) -> dict[str, _T]:
    """The details with people's ids in place of their addresses and names. One query, where any
    of them is free text."""
    return {
        name: unnamed(value) if is_free_text(type_, name) else value
        for name, value in details.items()
    }


def unnamed(value: _T) -> _T:
    """A text without people; anything else as it is."""
    if not isinstance(value, str) or not value.strip() or not apps.is_installed("gateway.accounts"):
        return value
    text: str = value.replace("\0", "\ufffd")  # PostgreSQL takes no NUL, in a question either
    for pk, email, name in _named_in(text):
        for said in (email, name):
            if said:
                pattern = rf"(?<!\w){re.escape(said)}(?!\w)"
                text = re.sub(pattern, f"user:{pk}", text, flags=re.IGNORECASE)
    return _ADDRESS.sub(NO_ADDRESS, text)  # type: ignore[return-value]


def _named_in(text: str) -> list[tuple[object, str, str]]:
    people = get_user_model()._default_manager.annotate(
        said=StrIndex(Lower(Value(text)), Lower(F("name"))), length=Length("name")
    )
    addresses = [found.lower() for found in _ADDRESS.findall(text)]
    mentioned = people.filter(Q(email__in=addresses) | Q(length__gte=3, said__gt=0))
    found = list(mentioned.values_list("pk", "email", "name"))
    return sorted(found, key=lambda person: -len(person[2]))  # Jane Roe before Jane
