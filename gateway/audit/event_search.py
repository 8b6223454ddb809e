"""Looks for changes of the control plane, newest first, in keyset pages: who changed what, when.

As with requests, conditions are judged in one narrow index (`audit_event_search`, made by a
migration), never in the rows with their bodies. The place in the chain orders them and names pages.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from gateway.audit.models import AuditEvent
from gateway.audit.search import MOST_ROWS, NoSuchPage, as_stored, index_hint

INDEX: Final = "audit_event_search"
_TABLE: Final = AuditEvent._meta.db_table
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSearch:
    """Conditions; those left out (None or empty) hold for every event.

    `projects`: of any of these. `actor`: who made the change, `user:<uuid>`. `types`: of any of
    these. `object_type` and `object_id`: what was changed, `deployment` and its id. `since`
    inclusive, `until` exclusive.
    """

    projects: tuple[str, ...] = ()
    actor: str = ""
    types: tuple[str, ...] = ()
    object_type: str = ""
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def named(self) -> list[str]:
        """Which conditions were given: their names, for the event that tells of the search."""
        return [name for name in self.__slots__ if getattr(self, name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events, newest first. `next`: what asks for the page after; empty at the end."""

    rows: tuple[AuditEvent, ...]
    next: str = ""


def search_events(wanted: EventSearch, *, after: str = "", limit: int = 50) -> EventPage:
    """One page of at most `limit` (1 to 500) events. Two queries.

    Raises NoSuchPage for a cursor that no page gave.
    """
    limit = max(1, min(limit, MOST_ROWS))
    where, values = _conditions(wanted)
    if after:
        where.append("seq < %s")
        values.append(_place(after))
    sql = (
        f"SELECT seq FROM {_TABLE}{index_hint(INDEX)} "  # noqa: S608 - names; values are parameters
        f"WHERE {' AND '.join(where) or '1 = 1'} ORDER BY seq DESC LIMIT {limit + 1:d}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        places = [int(seq) for (seq,) in cursor.fetchall()]
    rows = tuple(AuditEvent.objects.filter(seq__in=places[:limit]).order_by("-seq"))
    return EventPage(rows=rows, next=str(rows[-1].seq) if len(places) > limit and rows else "")


def found_events(wanted: EventSearch) -> Iterator[AuditEvent]:
    """All events that meet the conditions, newest first, a page at a time: memory stays flat."""
    page = search_events(wanted, limit=MOST_ROWS)
    yield from page.rows
    while page.next:
        page = search_events(wanted, after=page.next, limit=MOST_ROWS)
        yield from page.rows


def _conditions(wanted: EventSearch) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for column, several in (("project", wanted.projects), ("type", wanted.types)):
        if several:
            where.append(f"{column} IN ({', '.join(['%s'] * len(several))})")
            values += several
    for name in ("actor", "object_type", "object_id"):
        value = getattr(wanted, name)
        if value:
            where.append(f"{name} = %s")
            values.append(value)
    for sign, moment in ((">=", wanted.since), ("<", wanted.until)):
        if moment is not None:
            where.append(f"at {sign} %s")
            values.append(as_stored(moment))
    return where, values


def _place(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal()) or int(cursor[:20]) > _LARGEST:
        raise NoSuchPage("this is no page: leave the cursor out to begin at the newest")
    return int(cursor)
