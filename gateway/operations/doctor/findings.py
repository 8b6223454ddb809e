"""What a look at one thing found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.db import DatabaseError


class Level(StrEnum):
    """How bad it is. WRONG makes the exit status 1."""

    WELL = "well"
    ODD = "odd"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the page. `todo`: what to do, where something is to be done."""

    level: Level
    what: str
    todo: str = ""


def well(what: str) -> Finding:
    """Nothing to do."""
    return Finding(level=Level.WELL, what=what)


def odd(what: str, todo: str) -> Finding:
    """Worth a look."""
    return Finding(level=Level.ODD, what=what, todo=todo)


def wrong(what: str, todo: str) -> Finding:
    """Something has to be done."""
    return Finding(level=Level.WRONG, what=what, todo=todo)


Look = Callable[[], Iterator[Finding]]


def looked_at(title: str, look: Look) -> list[Finding]:
    """What a look finds; one that fails has found something, too."""
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 -- the border: the other looks go on
        # The error's text may quote a row.
        return [
            wrong(f"{title} could not be looked at ({type(error).__name__})", _what_to_do(error))
        ]


def _what_to_do(error: Exception) -> str:
    if isinstance(error, DatabaseError):
        return "see that the database is up and takes writes, and DATABASE_URL"
    if isinstance(error, OSError):
        return f"{error.strerror or 'unreadable'}: see the folder SLUICE_VAR and what is in it"
    return "see the log above"
