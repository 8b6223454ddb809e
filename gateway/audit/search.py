"""Looks for requests in the audit, newest first, in keyset pages.

Conditions are judged in one narrow index (`audit_request_search`, made by a migration), never in
the rows with their records: a million index entries are read in well under a second, a million
rows are two gigabytes. PostgreSQL has further indexes for categories and classes.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from django.db import connection

from gateway.audit.models import RequestRecord

INDEX: Final = "audit_request_search"
MOST_ROWS: Final = 500
_TABLE: Final = RequestRecord._meta.db_table
_CURSOR: Final = re.compile(r"^([0-9]{1,17})-([0-9]{1,19})$")


class NoSuchPage(ValueError):
    """The cursor is none that a page gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Conditions; those left out (None or empty) hold for every request.

    `projects`: of any of these. `actor`: who sent it, or on whose behalf, `user:<uuid>`. `since`
    inclusive, `until` exclusive. `zone` and `deployment`: of what answered.
    """

    projects: tuple[str, ...] = ()
    actor: str = ""
    zone: str = ""
    deployment: str = ""
    category: str = ""
    data_class: str = ""
    decision: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def named(self) -> list[str]:
        """Which conditions were given: their names, for the event that tells of the search."""
        return [name for name in self.__slots__ if getattr(self, name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows, newest first. `next`: what asks for the page after; empty at the end."""

    rows: tuple[RequestRecord, ...]
    next: str = ""


def search(wanted: Search, *, after: str = "", limit: int = 50) -> Page:
    """One page of at most `limit` (1 to 500) requests. Two queries.

    Raises NoSuchPage for a cursor that no page gave.
    """
    limit = max(1, min(limit, MOST_ROWS))
    where, values = _conditions(wanted)
    if after:
        at, pk = _place(after)
        where.append("(at, id) < (%s, %s)")
        values += [as_stored(at), pk]
    sql = (
        f"SELECT id FROM {_TABLE}{index_hint()} "  # noqa: S608 - names; values are parameters
        f"WHERE {' AND '.join(where) or '1 = 1'} ORDER BY at DESC, id DESC LIMIT {limit + 1:d}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        ids = [int(pk) for (pk,) in cursor.fetchall()]
    found = RequestRecord.objects.in_bulk(ids[:limit])
    rows = tuple(found[pk] for pk in ids[:limit] if pk in found)
    return Page(rows=rows, next=_cursor(rows[-1]) if len(ids) > limit and rows else "")


def index_hint(name: str = INDEX) -> str:
    """SQLite would choose the index of (project, at) and read every row of the project.

    A migration that makes the table anew loses indexes that Django does not know; then a search
    is slow and not broken, and a test says so.
    """
    if connection.vendor != "sqlite":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = %s", [name])
        return f" INDEXED BY {name}" if cursor.fetchone() else ""


def _conditions(wanted: Search) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    if wanted.projects:
        where.append(f"project IN ({', '.join(['%s'] * len(wanted.projects))})")
        values += wanted.projects
    for name in ("zone", "deployment", "decision"):
        value = getattr(wanted, name)
        if value:
            where.append(f"{name} = %s")
            values.append(value)
    if wanted.actor:
        where.append("(actor = %s OR on_behalf_of = %s)")
        values += [wanted.actor, wanted.actor]
    for sign, moment in ((">=", wanted.since), ("<", wanted.until)):
        if moment is not None:
            where.append(f"at {sign} %s")
            values.append(as_stored(moment))
    if wanted.category:
        where.append(_holds("categories"))
        values.append(_member(wanted.category, key=False))
    if wanted.data_class:
        where.append(_holds("classes"))
        values.append(_member(wanted.data_class, key=True))
    return where, values


def _holds(column: str) -> str:
    if connection.vendor == "postgresql":
        return f"{column} @> %s::jsonb" if column == "categories" else f"{column} ? %s"
    return f"instr({column}, %s) > 0"


def _member(name: str, *, key: bool) -> str:
    """A category or class as the column's JSON holds it."""
    quoted = msgspec.json.encode(name).decode()
    if connection.vendor == "postgresql":
        return name if key else f"[{quoted}]"
    return f"{quoted}:" if key else quoted


def as_stored(moment: datetime) -> Any:
    """A time as the database compares it. No I/O."""
    return connection.ops.adapt_datetimefield_value(moment.astimezone(UTC))


def _cursor(row: RequestRecord) -> str:
    since_epoch = row.at - datetime(1970, 1, 1, tzinfo=UTC)
    micros = (since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000
    return f"{micros + since_epoch.microseconds}-{row.pk}"


def _place(cursor: str) -> tuple[datetime, int]:
    found = _CURSOR.match(cursor)
    if not found:
        raise NoSuchPage("this is no page: leave the cursor out to begin at the newest")
    micros = int(found[1])
    try:
        second = datetime.fromtimestamp(micros // 1_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        raise NoSuchPage("this is no page: leave the cursor out to begin at the newest") from None
    return second.replace(microsecond=micros % 1_000_000), int(found[2])
