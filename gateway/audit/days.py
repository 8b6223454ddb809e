"""How a day went: what left the house, what stayed, what was refused, by the hour; and why.

Counts come from the search index alone (`audit_request_search`): a day of a million requests is
summed without reading a row. What has a reason or a data class is read row by row, so there it
stops at MOST_READ, the newest, and says so.

What left is told by attempts, as in `gateway.audit.left`: a request that a vendor failed on and
that was then answered inside has left all the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from django.db import connection

from gateway.audit.left import ALLOWED, NOTHING_SENT, ON_PREM
from gateway.audit.models import OutcomeState, RequestRecord
from gateway.audit.search import index_hint

MOST_READ: Final = 5_000
ELSEWHERE: Final = "audit_request_elsewhere"
_TABLE: Final = RequestRecord._meta.db_table
_HOUR: Final = {"postgresql": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')"}
_HOUR_OF_TEXT: Final = "substr(at, 1, 13)"
_PLACE: Final = {"postgresql": "strpos"}


class Fate(StrEnum):
    """What became of a request."""

    STAYED = "on_prem"
    PRIVATE = "private_cloud"
    CLOUD = "cloud"
    MASKED = "masked"  # left, with findings replaced
    BLOCKED = "blocked"  # went nowhere
    UNKNOWN = "unknown"  # allowed, and its end is not known (yet)


LEFT: Final = (Fate.PRIVATE, Fate.CLOUD, Fate.MASKED)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why requests went nowhere. `rule`: the one that dropped them; `detail`: the first reason of
    the candidates that were dropped (`gateway.audit.records`), empty where there were none."""

    code: str
    detail: str = ""
    rule: str = ""


@dataclass(slots=True, kw_only=True)
class Day:
    """Sums of requests. `hours` maps the start of an hour (UTC) to what happened in it."""

    since: datetime
    until: datetime
    hours: dict[datetime, Counter[Fate]] = field(default_factory=dict)
    masked: int = 0  # findings that were replaced
    left_as: Counter[str] = field(default_factory=Counter)  # by sensitivity, before masking
    classes: Counter[str] = field(default_factory=Counter)  # found in what was masked
    refused: Counter[Refused] = field(default_factory=Counter)
    whole: bool = True  # False: classes or reasons are of the newest MOST_READ rows

    @property
    def fates(self) -> Counter[Fate]:
        """Of the whole day."""
        return sum(self.hours.values(), Counter())

    @property
    def requests(self) -> int:
        """All of them."""
        return self.fates.total()

    @property
    def left(self) -> int:
        """Those that were sent outside of on_prem."""
        fates = self.fates
        return sum(fates[fate] for fate in LEFT)


def day_between(projects: Sequence[str] | None, since: datetime, until: datetime) -> Day:
    """Sum up what was decided between two times. `projects` None: of every one.

    Nine queries. Checks no access: `gateway.accounts.services.evidence` does.
    """
    day = Day(since=since, until=until)
    if projects is not None and not projects:
        return day
    where, values = _within(projects, since, until)
    for hour, decision, zone, masked, state, sensitivity, count, findings in _grouped(
        where, values
    ):
        fate = _fate(decision, zone, bool(masked), state)
        day.hours.setdefault(hour, Counter())[fate] += count
        if fate in LEFT:
            day.left_as[sensitivity] += count
        if fate is Fate.MASKED:
            day.masked += findings
    _move_those_that_failed_outside(day, where, values)
    _read_masked(day, where, values)
    _read_refused(day, where, values)
    return day


def _within(
    projects: Sequence[str] | None, since: datetime, until: datetime
) -> tuple[str, list[Any]]:
    where = "at >= %s AND at < %s"
    values: list[Any] = [_time(since), _time(until)]
    if projects is not None:
        where += f" AND project IN ({', '.join(['%s'] * len(projects))})"
        values += projects
    return where, values


def _grouped(where: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
    hour = _HOUR.get(connection.vendor, _HOUR_OF_TEXT)
    sql = (
        f"SELECT {hour} AS hour, decision, zone, masked > 0 AS some, "  # noqa: S608 - names
        f"outcome_state, sensitivity, COUNT(*), SUM(masked) FROM {_TABLE}{index_hint()} "
        f"WHERE {where} GROUP BY 1, 2, 3, 4, 5, 6"
    )
    for written, *rest in _rows(sql, values):
        yield _hour(written), *rest


def _fate(decision: str, zone: str, masked: bool, state: str) -> Fate:
    if decision != ALLOWED:
        return Fate.BLOCKED
    if zone == ON_PREM:
        return Fate.STAYED
    if zone:
        return Fate.MASKED if masked else Fate.PRIVATE if zone == Fate.PRIVATE else Fate.CLOUD
    # Nobody answered. Those that were tried outside are moved afterwards.
    return Fate.STAYED if state == OutcomeState.KNOWN else Fate.UNKNOWN


def _move_those_that_failed_outside(day: Day, where: str, values: list[Any]) -> None:
    """What a vendor failed on counts as left, wherever it was answered."""
    at = _PLACE.get(connection.vendor, "instr")
    # Word for word the condition of the index `audit_request_elsewhere`.
    left = (
        f"zone IN ('', 'on_prem') AND ({at}(outcome_record, '\"cloud\"') > 0 "
        f"OR {at}(outcome_record, '\"private_cloud\"') > 0)"
    )
    hour = _HOUR.get(connection.vendor, _HOUR_OF_TEXT)
    sql = (
        f"SELECT {hour}, masked, sensitivity, outcome_record "  # noqa: S608 - names
        f"FROM {_TABLE}{index_hint(ELSEWHERE)} "
        f"WHERE {where} AND {left} AND decision = 'allowed'"
    )
    for written, masked, sensitivity, outcome in _rows(sql, values):
        zones = [
            zone
            for _, zone, result in msgspec.json.decode(outcome).get("attempts", [])
            if zone != ON_PREM and result not in NOTHING_SENT
        ]
        if not zones:
            continue
        fate = (
            Fate.MASKED
            if masked
            else Fate.CLOUD
            if any(zone != Fate.PRIVATE for zone in zones)
            else Fate.PRIVATE
        )
        fates = day.hours[_hour(written)]
        fates[Fate.STAYED] -= 1
        fates[fate] += 1
        day.left_as[sensitivity] += 1
        day.masked += masked if fate is Fate.MASKED else 0


def _read_masked(day: Day, where: str, values: list[Any]) -> None:
    sql = (
        f"SELECT classes FROM {_TABLE}{index_hint()} WHERE {where} "  # noqa: S608 - names
        "AND masked > 0 AND zone NOT IN ('', 'on_prem') AND decision = 'allowed' "
        f"ORDER BY at DESC LIMIT {MOST_READ + 1}"
    )
    for (written,) in _read(day, sql, values):
        classes = msgspec.json.decode(written) if isinstance(written, str) else written
        day.classes.update(classes)


def _read_refused(day: Day, where: str, values: list[Any]) -> None:
    sql = (
        f"SELECT id FROM {_TABLE}{index_hint()} WHERE {where} "  # noqa: S608 - names
        f"AND decision <> 'allowed' ORDER BY at DESC LIMIT {MOST_READ + 1}"
    )
    ids = [pk for (pk,) in _read(day, sql, values)]
    for start in range(0, len(ids), 500):
        rows = RequestRecord.objects.filter(pk__in=ids[start : start + 500])
        for row in rows.only("pk", "reason", "decision", "record"):
            day.refused[_why(row)] += 1


def _why(row: RequestRecord) -> Refused:
    code = row.reason or row.decision
    if row.decision != "denied" or not row.dropped:
        return Refused(code)
    # What a rule or a clearance says tells more than that a server is off.
    _name, _zone, detail, rule = min(row.dropped, key=lambda each: _RANK.get(each[2], 1))
    return Refused(code, detail, rule)


_RANK: Final = {"disabled": 9, "endpoint": 8, "modality": 8, "category": 0, "rule_deny": -1}


def _read(day: Day, sql: str, values: list[Any]) -> Iterable[tuple[Any, ...]]:
    found = _rows(sql, values)
    if len(found) > MOST_READ:
        day.whole = False
    return found[:MOST_READ]


def _rows(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _hour(written: str) -> datetime:
    return datetime.strptime(written[:13], "%Y-%m-%d %H").replace(tzinfo=UTC)


def _time(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment.astimezone(UTC))
