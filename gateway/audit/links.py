"""The records of a chain as the database holds them, each with what its columns say wrongly."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from itertools import chain as concatenated
from operator import itemgetter
from typing import Any, Final

import msgspec

from gateway.audit.columns import (
    DECISION_COLUMNS,
    JSON,
    NO_OUTCOME,
    OUTCOME_COLUMNS,
    TIMES,
    decision_values,
    missing_decision,
    moment,
    outcome_values,
    text,
)
from gateway.audit.continuity import PRUNED, Cut, note_cut
from gateway.audit.models import AuditEvent, OutcomeState, RequestRecord, Writer
from gateway.audit.pages import in_pages, in_plain_pages
from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.audit.services import EventBody

_CHAIN: Final = ("decision_id", "seq", "prev_hash", "hash", "record")
_OUTCOME_CHAIN: Final = (
    "outcome_state",
    "outcome_seq",
    "outcome_prev_hash",
    "outcome_hash",
    "outcome_record",
)
_REQUEST: Final = (*_CHAIN, *DECISION_COLUMNS, *_OUTCOME_CHAIN, *OUTCOME_COLUMNS)
_TIME_PLACES: Final = [place for place, name in enumerate(_REQUEST) if name in TIMES]
_JSON_PLACES: Final = [place for place, name in enumerate(_REQUEST) if name in JSON]
_DECISION: Final = len(_CHAIN)
_OUTCOME: Final = _DECISION + len(DECISION_COLUMNS)
_ENDED: Final = _OUTCOME + len(_OUTCOME_CHAIN)
_AT: Final = DECISION_COLUMNS.index("at")
_EVENT: Final = ("at", "actor", "type", "project", "object_type", "object_id", "details")
_decode_decision = msgspec.json.Decoder(DecisionRecord).decode
_decode_outcome = msgspec.json.Decoder(OutcomeRecord).decode
_decode_tree = msgspec.json.decode
_decode_event = msgspec.json.Decoder(EventBody).decode


@dataclass(frozen=True, slots=True)
class Link:
    """One record of a chain, from either table. Orders by seq."""

    seq: int
    prev: str
    hash: str
    record: str
    where: str
    why: str  # found wrong with the columns around it, or empty
    at: float | None = None  # Unix seconds, of decisions and events

    def __lt__(self, other: "Link") -> bool:
        return self.seq < other.seq


def requests(row: Writer) -> Iterator[Link]:
    """Decisions and outcomes of a writer in the order of its chain.

    Rows come by their first record; outcomes wait on a heap for their turn, so what is held in
    memory is what was in flight.
    """
    rows = RequestRecord.objects.filter(writer_id=row.pk, seq__lte=row.last_seq)
    waiting: list[Link] = []
    for plain in in_plain_pages(rows.values_list(*_REQUEST), by="seq", key=itemgetter(1)):
        values = list(plain)
        for place in _TIME_PLACES:
            values[place] = _time(values[place])
        for place in _JSON_PLACES:
            values[place] = _tree(values[place])
        links = list(_links(values, last_seq=row.last_seq))
        while waiting and waiting[0].seq < values[1]:
            yield heapq.heappop(waiting)
        for link in links:
            heapq.heappush(waiting, link)
        if waiting and waiting[0].seq == values[1]:
            yield heapq.heappop(waiting)
    yield from (heapq.heappop(waiting) for _ in range(len(waiting)))


def _time(value: Any) -> Any:
    """SQLite knows no zones: what it keeps is UTC."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _tree(value: Any) -> Any:
    """What a column of JSON holds; as it is where it is none."""
    try:
        return _decode_tree(value)
    except (msgspec.MsgspecError, TypeError):
        return value


def _links(values: list[Any], *, last_seq: int) -> Iterator[Link]:
    """The one or two records of a row, each with what is wrong with the columns."""
    head, decision_columns = values[:_DECISION], tuple(values[_DECISION:_OUTCOME])
    tail, outcome_columns = values[_OUTCOME:_ENDED], tuple(values[_ENDED:])
    id_, seq, prev, hash_, record = head
    state, outcome_seq, outcome_prev, outcome_hash, outcome_record = tail
    where = f"request record %d (decision {id_})"
    if record or outcome_seq is None:
        why = _decision_fault(id_, record, decision_columns)
        if outcome_seq is None and outcome_columns != NO_OUTCOME:
            why = why or "its outcome's columns say something without a record"
        if (state == OutcomeState.KNOWN) != (outcome_seq is not None):
            why = why or "column outcome_state was changed: it differs from the record"
        at = decision_columns[_AT].timestamp() if record else None
        yield Link(seq, prev, hash_, record, where % seq, why, at)
    if outcome_seq is not None and outcome_seq <= last_seq:
        why = _outcome_fault(id_, outcome_record, outcome_columns)
        if not record and not why:
            expected = missing_decision(_decode_outcome(outcome_record))
            why = "" if decision_columns == expected else "its decision's columns were changed"
        link = (outcome_seq, outcome_prev, outcome_hash, outcome_record)
        yield Link(*link, where % outcome_seq, why)


def _decision_fault(id_: str, record: str, columns: tuple[Any, ...]) -> str:
    try:
        decoded = _decode_decision(record)
    except msgspec.MsgspecError:
        return "its record cannot be read"
    names = concatenated(["decision_id"], DECISION_COLUMNS)
    expected = (text(decoded.id)[:100], *decision_values(decoded))
    return _difference(names, expected, (id_, *columns))


def _outcome_fault(id_: str, record: str, columns: tuple[Any, ...]) -> str:
    try:
        decoded = _decode_outcome(record)
    except msgspec.MsgspecError:
        return "its outcome's record cannot be read"
    names = concatenated(["decision_id"], OUTCOME_COLUMNS)
    expected = (text(decoded.id)[:100], *outcome_values(decoded))
    return _difference(names, expected, (id_, *columns))


def _difference(names: Iterator[str], expected: tuple[Any, ...], found: tuple[Any, ...]) -> str:
    if expected == found:
        return ""
    pairs = zip(names, expected, found, strict=True)
    wrong = [name for name, should, is_ in pairs if should != is_]
    return f"column {wrong[0]} was changed: it differs from the record"


def events(row: Writer, cuts: dict[str, Cut]) -> Iterator[Link]:
    """The events in order; notes on its way what they say was pruned."""
    names = ("seq", "prev_hash", "hash", "body", *_EVENT)
    rows = AuditEvent.objects.filter(seq__lte=row.last_seq).values_list(*names)
    for seq, prev, hash_, body, *columns in in_pages(rows, by="seq", key=itemgetter(0)):
        at, why = columns[0].timestamp(), _event_fault(body, tuple(columns))
        yield Link(seq, prev, hash_, body, f"event {seq}", why, at)
        if columns[2] == PRUNED:
            note_cut({"type": PRUNED, "object_id": columns[5], "details": columns[6]}, cuts)


def _event_fault(body: str, columns: tuple[Any, ...]) -> str:
    try:
        event = _decode_event(body)
    except msgspec.MsgspecError:
        return "its body cannot be read"
    expected = (
        moment(event.at),
        event.actor,
        event.type,
        event.project,
        event.object_type,
        event.object_id,
        event.details,
    )
    return _difference(iter(_EVENT), expected, columns)
