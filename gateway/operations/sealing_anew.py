"""Replaces the key-encryption key while Sluice runs.

Old and new key are accepted meanwhile. What is sealed is found by looking for it in every text
column, so that nothing is forgotten that somebody adds; the two tables of evidence are left out,
which hold no secret and may have many millions of rows.

INVARIANT: a key is forgotten only when nothing in the database opens with it alone.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet
from django.apps import apps
from django.db import models

from gateway.audit.event_types import EventType
from gateway.audit.models import AuditEvent, RequestRecord
from gateway.audit.services import record_event
from gateway.key_encryption import (
    SEALED_START,
    SealedUnreadable,
    keys,
    keys_file,
    keys_text,
    sealed_anew,
)

ACTOR: Final = "system:command-line"
PAGE: Final = 500
# A transaction that began before the key was replaced may still store what the old one sealed.
SETTLED_AFTER_S: Final = 60.0


class CannotRotate(Exception):
    """The keys cannot be changed from here; the text says what to do."""


@dataclass(slots=True)
class Sealed:
    """What a pass over the database found. `unreadable`: `table.column` with how many values."""

    anew: int = 0
    unreadable: dict[str, int] = field(default_factory=dict)


def add_key() -> bool:
    """Put a new key before the present one in the file they are in. False: there are two already,
    as an unfinished rotation leaves them or whoever runs Sluice wrote them. Raises CannotRotate."""
    if len(keys()) > 1:
        return False
    _write(_writable_file(), f"{Fernet.generate_key().decode()}\n{keys_text().strip()}\n")
    return True


def seal_everything_anew() -> Sealed:
    """Bring whatever is sealed under the first key. May be repeated; runs beside everything."""
    found = _pass()
    _record(found, forgotten=False)
    return found


def forget_old_keys() -> int:
    """Accept the first key alone from now on; returns how many others are gone.

    Raises CannotRotate, also when something was sealed under an old one since.
    """
    ring = keys()
    if len(ring) == 1:
        return 0
    place = _writable_file()
    age_s = time.time() - place.stat().st_mtime
    if age_s < SETTLED_AFTER_S:
        raise CannotRotate(
            f"the keys changed {age_s:.0f} s ago: wait until {SETTLED_AFTER_S:.0f} s have passed, "
            "so that what was being stored at that moment is sealed anew, too"
        )
    found = _pass()
    if _pass().anew:
        raise CannotRotate("something is still sealed under an old key: is a process out of date?")
    _write(place, keys_text().replace(",", " ").split()[0] + "\n")
    _record(found, forgotten=True)
    return len(ring) - 1


def unreadable_values() -> dict[str, int]:
    """What is sealed in the database and opens with no key: `table.column` with how many."""
    found = Sealed()
    for model, column in _text_columns():
        for _, sealed in _values(model, column):
            _opened_anew(model, column, sealed, found)
    return found.unreadable


def _pass() -> Sealed:
    found = Sealed()
    for model, column in _text_columns():
        _seal_column_anew(model, column, found)
    return found


def _record(found: Sealed, *, forgotten: bool) -> None:
    record_event(
        actor=ACTOR,
        type=EventType.ENCRYPTION_KEY_ROTATED,
        object_type="encryption_key",
        object_id="key-encryption-key",
        details={
            "sealed_anew": found.anew,
            "unreadable": sorted(found.unreadable),
            "forgotten": forgotten,
        },
    )


def _text_columns() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models(include_auto_created=True):
        if model in {RequestRecord, AuditEvent} or not model._meta.managed:
            continue
        for column in model._meta.concrete_fields:
            if isinstance(column, models.TextField | models.CharField):
                yield model, column.name


def _values(model: type[models.Model], column: str) -> Iterator[tuple[object, str]]:
    """Primary keys and texts that look sealed, a page at a time: a short query each."""
    last = None
    while True:
        rows = model._base_manager.filter(**{f"{column}__startswith": SEALED_START}).order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        page = list(rows.values_list("pk", column)[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1][0]


def _seal_column_anew(model: type[models.Model], column: str, found: Sealed) -> None:
    for key, sealed in _values(model, column):
        anew = _opened_anew(model, column, sealed, found)
        # Only if nobody changed it meanwhile: what they stored is sealed under the new key.
        unchanged = model._base_manager.filter(**{"pk": key, column: sealed})
        if anew is not None and unchanged.update(**{column: anew}):
            found.anew += 1


def _opened_anew(model: type[models.Model], column: str, sealed: str, found: Sealed) -> str | None:
    try:
        return sealed_anew(sealed)
    except SealedUnreadable:
        name = f"{model._meta.db_table}.{column}"
        found.unreadable[name] = found.unreadable.get(name, 0) + 1
        return None


def _writable_file() -> Path:
    place = keys_file()
    if place is None:
        raise CannotRotate(
            "SLUICE_KEY_ENCRYPTION_KEY is a variable: set it to the new key and the old one "
            '("NEW OLD") for every process, start them again one by one, then call this again'
        )
    return place


def _write(place: Path, text: str) -> None:
    """Replace the file's content at once. Raises CannotRotate."""
    hidden = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(place)
    except OSError as error:
        with suppress(OSError):
            hidden.unlink()
        raise CannotRotate(
            f"{place} cannot be written ({error.strerror}): put the new key before the old one "
            "in it yourself (a key a line), then call this again"
        ) from None
