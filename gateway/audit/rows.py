"""Journal entries into database rows: raw SQL, because the ORM costs four times as much.

Runs inside the loader's transaction. A decision becomes a row; its outcome joins it in memory
when both are in the batch, and updates the row otherwise.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import msgspec
from django.db import IntegrityError, connection, transaction

from gateway.audit.columns import (
    DECISION_COLUMNS,
    JSON,
    LAST,
    NO_OUTCOME,
    OUTCOME_COLUMNS,
    TIMES,
    Value,
    decision_values,
    missing_decision,
    outcome_values,
    text,
)
from gateway.audit.models import OutcomeState, RequestRecord
from gateway.audit.reading import Entry
from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.audit.stored_times import stored_times

_Row = list[Any]
_Decisions = dict[str, tuple[Entry, DecisionRecord]]
_Outcomes = dict[str, tuple[Entry, OutcomeRecord]]
_CHAIN: Final = ("decision_id", "writer_id", "seq", "prev_hash", "hash", "record")
_OUTCOME_CHAIN: Final = ("outcome_seq", "outcome_prev_hash", "outcome_hash", "outcome_record")
_NO_OUTCOME_CHAIN: Final = (None, "", "", "")
_TABLE: Final = RequestRecord._meta.db_table
_encode = msgspec.json.Encoder().encode
_MAX_ID: Final = 100


@dataclass(frozen=True, slots=True)
class _Names:
    """Which of the columns need adapting, by place."""

    json: tuple[int, ...]
    times: tuple[int, ...]

    @classmethod
    def of(cls, names: tuple[str, ...]) -> "_Names":
        places = range(len(names))
        return cls(
            json=tuple(place for place in places if names[place] in JSON),
            times=tuple(place for place in places if names[place] in TIMES),
        )


_DECISION: Final = _Names.of(DECISION_COLUMNS)
_OUTCOME: Final = _Names.of(OUTCOME_COLUMNS)
# The quick way: all fields that are columns in one call, then those that need adapting by place.
_decision_fields: Final = attrgetter(*DECISION_COLUMNS)
_outcome_fields: Final = attrgetter("at", *OUTCOME_COLUMNS[1:])
_DECISION_PLACES: Final = (*_CHAIN, *DECISION_COLUMNS)
_AT: Final = _DECISION_PLACES.index("at")
_STREAM: Final = _DECISION_PLACES.index("stream")
_CATEGORIES: Final = _DECISION_PLACES.index("categories")
_CLASSES: Final = _DECISION_PLACES.index("classes")
_RULES: Final = _DECISION_PLACES.index("rules")
_OUTCOME_AT: Final = len(_OUTCOME_CHAIN)
# A NUL can stand in a record's text in this form alone: unescaped it is no JSON.
_ESCAPED_NUL: Final = "\\u0000"


def _quoted(names: Iterable[str]) -> list[str]:
    return [connection.ops.quote_name(name) for name in names]


def _insert_sql() -> str:
    names = (*_CHAIN, *DECISION_COLUMNS, *_OUTCOME_CHAIN, *OUTCOME_COLUMNS, "outcome_state")
    places = ", ".join(["%s"] * len(names))
    return f"INSERT INTO {_TABLE} ({', '.join(_quoted(names))}) VALUES ({places})"  # noqa: S608


def _update_sql() -> str:
    names = (*_OUTCOME_CHAIN, *OUTCOME_COLUMNS, "outcome_state")
    sets = ", ".join(f"{name} = %s" for name in _quoted(names))
    return (
        f"UPDATE {_TABLE} SET {sets} "  # noqa: S608 - names only
        "WHERE decision_id = %s AND writer_id = %s AND outcome_seq IS NULL"
    )


def _adapted(names: _Names, values: tuple[Value, ...], adapt: Callable[[datetime], Any]) -> _Row:
    """The values as the database's driver wants them."""
    row: _Row = list(values)
    for place in names.json:
        row[place] = _encode(row[place]).decode()
    for place in names.times:
        if row[place] is not None:
            row[place] = adapt(row[place])
    return row


class _Parts:
    """Halves of rows, for one batch.

    Two ways to the same values: `gateway.audit.columns`, which bends what a database cannot hold,
    and a quick one for records that hold nothing of that kind, which are all but hostile ones.
    """

    def __init__(self, writer: str) -> None:
        self._writer = writer
        self._adapt, self._time = stored_times()
        # SQLite's driver looks long for an adapter of bool.
        self._flag: Callable[[bool], int] = int if connection.vendor == "sqlite" else bool

    def decision(self, id_: str, entry: Entry, record: DecisionRecord) -> _Row:
        """Of the decision, from the row's id on."""
        head = [id_, self._writer, entry.seq, entry.prev, entry.hash, entry.raw]
        counts = record.classes
        if (
            ("\\" in entry.raw and _ESCAPED_NUL in entry.raw)
            or not -LAST <= record.size_bytes <= LAST
            or not -LAST <= record.masked <= LAST
            or (counts and not all(-LAST <= count <= LAST for count in counts.values()))
        ):
            return head + _adapted(_DECISION, decision_values(record), self._adapt)
        row: _Row = [*head, *_decision_fields(record)]
        row[_AT] = self._time(record.at)
        row[_STREAM] = self._flag(record.stream)
        row[_CATEGORIES] = _json(record.categories)
        row[_CLASSES] = _json(counts)
        row[_RULES] = _json(record.rules)
        return row

    def missing(self, id_: str, entry: Entry, record: OutcomeRecord) -> _Row:
        """In a decision's place, where there is none."""
        values = _adapted(_DECISION, missing_decision(record), self._adapt)
        return [id_, self._writer, entry.seq, "", "", "", *values]

    def outcome(self, entry: Entry, record: OutcomeRecord) -> _Row:
        """Of the outcome."""
        head = [entry.seq, entry.prev, entry.hash, entry.raw]
        if ("\\" in entry.raw and _ESCAPED_NUL in entry.raw) or not (
            -LAST <= record.status <= LAST
            and -LAST <= (record.prompt_tokens or 0) <= LAST
            and -LAST <= (record.completion_tokens or 0) <= LAST
            and -LAST <= (record.first_byte_ms or 0) <= LAST
            and -LAST <= record.duration_ms <= LAST
            and -LAST <= record.bytes_out <= LAST
        ):
            values = _adapted(_OUTCOME, outcome_values(record), self._adapt)
            return [*head, *values, _KNOWN]
        row: _Row = [*head, *_outcome_fields(record), _KNOWN]
        row[_OUTCOME_AT] = self._time(record.at)
        return row


def _json(value: list[str] | dict[str, int]) -> str:
    if not value:
        return "[]" if isinstance(value, list) else "{}"
    return _encode(value).decode()


_KNOWN: Final = OutcomeState.KNOWN.value
_PENDING: Final = (*_NO_OUTCOME_CHAIN, *NO_OUTCOME, OutcomeState.PENDING.value)


def row_id(value: str) -> str:
    """A record's id as its row has it."""
    if len(value) <= _MAX_ID and "\0" not in value:
        return value
    return text(value)[:_MAX_ID]


def store(writer: str, entries: list[Entry]) -> list[tuple[int, str]]:
    """Store a writer's entries, in the order of its chain.

    Returns (seq, why) for entries that could not become a row. Raises DatabaseError.
    """
    decisions: _Decisions = {}
    outcomes: _Outcomes = {}
    refused: list[tuple[int, str]] = []
    for entry in entries:
        record = entry.record
        id_ = row_id(record.id)
        if isinstance(record, DecisionRecord):
            if decisions.setdefault(id_, (entry, record))[0] is not entry:
                refused.append((entry.seq, _twice("decision")))
        elif outcomes.setdefault(id_, (entry, record))[0] is not entry:
            refused.append((entry.seq, _twice("outcome")))
    parts = _Parts(writer)
    refused += _insert(decisions, outcomes, parts)
    later = {id_: each for id_, each in outcomes.items() if id_ not in decisions}
    refused += _complete(writer, later, parts)
    return refused


def _twice(kind: str) -> str:
    return f"the {kind} has the id of another one"


def _insert(decisions: _Decisions, outcomes: _Outcomes, parts: _Parts) -> list[tuple[int, str]]:
    """A row for each decision, with its outcome where it is at hand."""
    if not decisions:
        return []

    def rows(leave_out: Container[str] = ()) -> Any:  # Iterator[_Row]; the stubs want a sequence
        # Made one by one as the driver takes them, while in the cache: 9 µs less than by a list.
        for id_, (entry, decision) in decisions.items():
            if id_ not in leave_out:
                row = parts.decision(id_, entry, decision)
                ended = outcomes.get(id_)
                row += parts.outcome(*ended) if ended else _PENDING
                yield row

    sql = _insert_sql()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(sql, rows())
    except IntegrityError:
        # Some id stands in the database already: keep those out and say so.
        known = set(
            RequestRecord.objects.filter(decision_id__in=decisions).values_list(
                "decision_id", flat=True
            )
        )
        with connection.cursor() as cursor:
            cursor.executemany(sql, rows(known))
        return [
            (entry.seq, _twice("decision")) for id_, (entry, _) in decisions.items() if id_ in known
        ]
    return []


def _complete(writer: str, outcomes: _Outcomes, parts: _Parts) -> list[tuple[int, str]]:
    """Join outcomes to rows of earlier batches; those without one get a row of their own."""
    if not outcomes:
        return []
    sql = _update_sql()
    tails = {id_: parts.outcome(*ended) for id_, ended in outcomes.items()}
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(*tail, id_, writer) for id_, tail in tails.items()])
        if cursor.rowcount == len(tails):
            return []
    seqs = [entry.seq for entry, _ in outcomes.values()]
    joined = set(
        RequestRecord.objects.filter(writer_id=writer, outcome_seq__in=seqs).values_list(
            "outcome_seq", flat=True
        )
    )
    left = {id_: each for id_, each in outcomes.items() if each[0].seq not in joined}
    known = set(
        RequestRecord.objects.filter(decision_id__in=left).values_list("decision_id", flat=True)
    )
    alone: list[_Row] = []
    refused: list[tuple[int, str]] = []
    for id_, (entry, record) in left.items():
        if id_ in known:
            refused.append((entry.seq, _twice("outcome")))
            continue
        alone.append([*parts.missing(id_, entry, record), *tails[id_]])
        refused.append((entry.seq, "the outcome has no decision"))
    if alone:
        with connection.cursor() as cursor:
            cursor.executemany(_insert_sql(), alone)
    return refused
