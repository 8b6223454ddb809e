"""Journal entries into database rows: raw SQL, because the ORM costs four times as much.

Runs inside the loader's transaction. A decision becomes a row; its outcome joins it in memory
when both are in the batch, and updates the row otherwise.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import IntegrityError, connection, transaction

from gateway.audit.columns import (
    DECISION_COLUMNS,
    JSON,
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

_Row = tuple[Any, ...]
_CHAIN: Final = ("decision_id", "writer_id", "seq", "prev_hash", "hash", "record")
_OUTCOME_CHAIN: Final = ("outcome_seq", "outcome_prev_hash", "outcome_hash", "outcome_record")
_NO_OUTCOME_CHAIN: Final = (None, "", "", "")
_TABLE: Final = RequestRecord._meta.db_table
_encode = msgspec.json.Encoder().encode
_MAX_ID: Final = 100


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


def _adapted(names: tuple[str, ...], values: tuple[Value, ...]) -> list[Any]:
    """The values as the database's driver wants them."""
    row: list[Any] = list(values)
    for place, name in enumerate(names):
        if name in JSON:
            row[place] = _encode(values[place]).decode()
        elif name in TIMES:
            value = values[place]
            if isinstance(value, datetime):
                row[place] = connection.ops.adapt_datetimefield_value(value)
    return row


def _decision_part(writer: str, entry: Entry, record: DecisionRecord) -> list[Any]:
    chain = [_id(record.id), writer, entry.seq, entry.prev, entry.hash, entry.raw]
    return chain + _adapted(DECISION_COLUMNS, decision_values(record))


def _outcome_part(entry: Entry, record: OutcomeRecord) -> list[Any]:
    chain = [entry.seq, entry.prev, entry.hash, entry.raw]
    return [
        *chain,
        *_adapted(OUTCOME_COLUMNS, outcome_values(record)),
        OutcomeState.KNOWN.value,
    ]


_PENDING: Final = [*_NO_OUTCOME_CHAIN, *NO_OUTCOME, OutcomeState.PENDING.value]


def _id(value: str) -> str:
    return text(value)[:_MAX_ID]


def store(writer: str, entries: list[Entry]) -> list[tuple[int, str]]:
    """Store a writer's entries, in the order of its chain.

    Returns (seq, why) for entries that could not become a row. Raises DatabaseError.
    """
    decisions: dict[str, tuple[Entry, DecisionRecord]] = {}
    outcomes: dict[str, tuple[Entry, OutcomeRecord]] = {}
    refused: list[tuple[int, str]] = []
    for entry in entries:
        record = entry.record
        id_ = _id(record.id)
        if isinstance(record, DecisionRecord):
            if decisions.setdefault(id_, (entry, record))[0] is not entry:
                refused.append((entry.seq, _twice("decision")))
        elif outcomes.setdefault(id_, (entry, record))[0] is not entry:
            refused.append((entry.seq, _twice("outcome")))
    rows: dict[str, _Row] = {}
    for id_, (entry, decision) in decisions.items():
        ended = outcomes.pop(id_, None)
        tail = _outcome_part(*ended) if ended else _PENDING
        rows[id_] = (*_decision_part(writer, entry, decision), *tail)
    refused += _insert(rows)
    refused += _complete(writer, outcomes)
    return refused


def _twice(kind: str) -> str:
    return f"the {kind} has the id of another one"


def _insert(rows: dict[str, _Row]) -> list[tuple[int, str]]:
    if not rows:
        return []
    sql = _insert_sql()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(sql, list(rows.values()))
    except IntegrityError:
        # Some id stands in the database already: keep those out and say so.
        known = set(
            RequestRecord.objects.filter(decision_id__in=rows).values_list("decision_id", flat=True)
        )
        fresh = [row for id_, row in rows.items() if id_ not in known]
        with connection.cursor() as cursor:
            cursor.executemany(sql, fresh)
        seqs = [row[2] for id_, row in rows.items() if id_ in known]
        return [(seq, _twice("decision")) for seq in seqs if isinstance(seq, int)]
    return []


def _complete(
    writer: str, outcomes: dict[str, tuple[Entry, OutcomeRecord]]
) -> list[tuple[int, str]]:
    """Join outcomes to rows of earlier batches; those without one get a row of their own."""
    if not outcomes:
        return []
    sql = _update_sql()
    parts = {id_: _outcome_part(*ended) for id_, ended in outcomes.items()}
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(*part, id_, writer) for id_, part in parts.items()])
        if cursor.rowcount == len(parts):
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
        head = [id_, writer, entry.seq, "", "", ""]
        head += _adapted(DECISION_COLUMNS, missing_decision(record))
        alone.append((*head, *parts[id_]))
        refused.append((entry.seq, "the outcome has no decision"))
    if alone:
        with connection.cursor() as cursor:
            cursor.executemany(_insert_sql(), alone)
    return refused
