"""Sends what came into the audit since the last time to every stream, at least once.

Chain by chain in the order of each chain, so that nothing is passed by whatever order rows were
committed in. A position moves when the receiver has taken the records, and not before. A request
that is sent while in flight is remembered; its outcome follows when it is known.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from django.conf import settings
from django.db.models import F, Q

from gateway.audit.chain import CONTROL_WRITER
from gateway.audit.models import AuditEvent, OutcomeState, RequestRecord, Writer
from gateway.audit.sealing_models import Delivery, StreamPosition
from gateway.audit.streaming.deliveries import STREAM, delivery_to, failed, sender_of_now, succeeded
from gateway.audit.streaming.destinations import Destination, Kind, Undelivered, parse
from gateway.audit.streaming.lines import decision_item, event_item, outcome_item
from gateway.audit.streaming.transports import Item, Sender

ROWS_PER_SENDING: Final = 500
SENDINGS: Final = 200  # of one stream in one turn
_Make = Callable[[str, int, str, str], Item]
_REQUEST: Final = (
    *("pk", "seq", "hash", "record", "outcome_state"),
    *("outcome_seq", "outcome_hash", "outcome_record"),
)


def streams() -> list[Destination]:
    """As settings name them. Raises ValueError (the system check says it before)."""
    found = [parse(url) for url in settings.AUDIT_STREAMS]
    if any(to.kind is Kind.FILE for to in found):
        raise ValueError("a stream goes to syslog or to a web address; a file is for anchors")
    return found


def stream() -> bool:
    """Send to every stream what it lacks; whether each has everything now.

    Raises KeyUnreadable, DatabaseError.
    """
    to = streams()
    if not to:
        return True
    sender = sender_of_now()
    return all([_bring_up(each, sender) for each in to])


def _bring_up(to: Destination, sender: Sender) -> bool:
    delivery = delivery_to(to, STREAM)
    _meet_writers(delivery)
    for _ in range(SENDINGS):
        position = _behind(delivery)
        if position is None:
            return True
        items = list(_next(position))
        try:
            sender.send(to, items)
        except Undelivered as undelivered:
            failed(delivery, str(undelivered))
            return False
        position.save(update_fields=["seq", "open"])
        if items:
            succeeded(delivery)
    return False


def _meet_writers(delivery: Delivery) -> None:
    known = delivery.positions.values("writer_id")
    new = Writer.objects.exclude(pk__in=known).filter(last_seq__gt=0).values_list("pk", flat=True)
    StreamPosition.objects.bulk_create(
        [StreamPosition(delivery=delivery, writer_id=writer) for writer in new],
        ignore_conflicts=True,
    )


def _behind(delivery: Delivery) -> StreamPosition | None:
    """A chain with something to send. Requests in flight alone are nothing to send."""
    more = delivery.positions.filter(seq__lt=F("writer__last_seq")).select_related("writer")
    first = more.order_by("pk").first()
    if first is not None:
        return first
    for position in delivery.positions.exclude(open=[]).select_related("writer"):
        rows = RequestRecord.objects.filter(pk__in=position.open)
        if rows.exclude(outcome_state=OutcomeState.PENDING).exists():
            return position
    return None


def _next(position: StreamPosition) -> Iterator[Item]:
    """What comes next of a chain; moves the position in memory."""
    if position.writer_id == CONTROL_WRITER:
        yield from _events(position)
        return
    yield from _ended(position)
    yield from _requests(position)


def _events(position: StreamPosition) -> Iterator[Item]:
    rows = AuditEvent.objects.filter(seq__gt=position.seq).order_by("seq")
    page = list(rows.values_list("seq", "hash", "body")[:ROWS_PER_SENDING])
    for seq, hash_, body in page:
        yield from _readable(event_item, position.writer_id, seq, hash_, body)
    full = len(page) == ROWS_PER_SENDING
    position.seq = page[-1][0] if full else max(position.writer.last_seq, position.seq)


def _ended(position: StreamPosition) -> Iterator[Item]:
    """Outcomes of requests that were sent before they ended."""
    ended = RequestRecord.objects.filter(pk__in=position.open).filter(
        ~Q(outcome_state=OutcomeState.PENDING)
    )
    names = ("pk", "outcome_seq", "outcome_hash", "outcome_record")
    gone = set()
    for pk, seq, hash_, record in ended.order_by("outcome_seq").values_list(*names):
        gone.add(pk)
        if record:
            yield from _readable(outcome_item, position.writer_id, seq, hash_, record)
    position.open = [pk for pk in position.open if pk not in gone]


def _requests(position: StreamPosition) -> Iterator[Item]:
    last = position.writer.last_seq
    rows = RequestRecord.objects.filter(writer_id=position.writer_id, seq__gt=position.seq)
    page = list(
        rows.filter(seq__lte=last).order_by("seq").values_list(*_REQUEST)[:ROWS_PER_SENDING]
    )
    writer = position.writer_id
    for pk, seq, hash_, record, state, outcome_seq, outcome_hash, outcome in page:
        if record:
            yield from _readable(decision_item, writer, seq, hash_, record)
        if outcome:
            yield from _readable(outcome_item, writer, outcome_seq, outcome_hash, outcome)
        elif state == OutcomeState.PENDING:
            position.open = [*position.open, pk]
    full = len(page) == ROWS_PER_SENDING
    position.seq = page[-1][1] if full else max(last, position.seq)


def _readable(make: _Make, writer: str, seq: int, hash_: str, text: str) -> Iterator[Item]:
    """The item, or nothing of a record that cannot be read: `verify` names it."""
    try:
        yield make(writer, seq, hash_, text)
    except msgspec.MsgspecError:
        return
