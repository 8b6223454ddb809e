"""What a form is about, among what the person who sent it may see."""

import uuid
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404

Row = TypeVar("Row", bound=Model)


def one_of(seen: QuerySet[Row], key: str) -> Row:
    """The row of this id. Raises Http404 for no id, an unknown one and one that is not seen."""
    try:
        number = uuid.UUID(key)
    except ValueError:
        raise Http404 from None
    found = seen.filter(pk=number).first()
    if found is None:
        raise Http404
    return found
