"""Looks for a person's address and name in every table. Slow on purpose: it reads everything."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db.models import CharField, Field, JSONField, Model, Q, TextField
from django.db.models.functions import Cast

from gateway.privacy.coverage import FREE_TEXT


def found_in(said: Iterable[str]) -> dict[str, int]:
    """`app.Model.field` -> rows that hold any of these texts, whatever their case. Only fields
    with some."""
    said = tuple(said)
    found: dict[str, int] = {}
    if not said:
        return found
    for model, field in _text_fields():
        rows = model._default_manager.annotate(searched=Cast(field.name, TextField()))
        count = rows.filter(_holds(said)).count()
        if count:
            found[f"{model._meta.label}.{field.name}"] = count
    return found


def replace_in_free_text(said: Iterable[str], by: str) -> int:
    """Replace these texts in the fields that people type into and that may change."""
    changed = 0
    said = tuple(said)
    for label, name in FREE_TEXT if said else ():
        model = apps.get_model(label)
        rows = model._default_manager.annotate(searched=Cast(name, TextField()))
        for row in rows.filter(_holds(said)):
            value = getattr(row, name)
            if isinstance(value, list):
                kept: Any = [each for each in value if not _among(str(each), said)]
            else:
                kept = _replaced(value, said, by)[: model._meta.get_field(name).max_length]
            model._default_manager.filter(pk=row.pk).update(**{name: kept})
            changed += 1
    return changed


def _among(text: str, said: tuple[str, ...]) -> bool:
    return any(each.casefold() in text.casefold() for each in said)


def _replaced(text: str, said: tuple[str, ...], by: str) -> str:
    for each in said:
        text = re.sub(re.escape(each), by, text, flags=re.IGNORECASE)
    return text


def _holds(said: tuple[str, ...]) -> Q:
    holds = Q()
    for text in said:
        holds |= Q(searched__icontains=text)
    return holds


def _text_fields() -> Iterator[tuple[type[Model], "Field[Any, Any]"]]:
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            for field in model._meta.local_fields:
                if isinstance(field, CharField | TextField | JSONField):
                    yield model, field
