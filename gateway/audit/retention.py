"""How long evidence is kept, and how the oldest part of a chain is cut off so that it verifies.

A chain is cut after a record that a signed head covers: everything before it goes, but for what a
legal hold keeps and requests whose outcome stands after the cut. The cut is an event of the
control chain (`audit.pruned`) that holds the last hash of what went and a digest of what stayed;
`verify` and the offline verifier begin there. Prune records themselves are never cut.

INVARIANT: rows, the chain's new beginning and the event change in one transaction.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import connection, transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from gateway.audit.chain import CONTROL_WRITER
from gateway.audit.continuity import PRUNED, kept_digest
from gateway.audit.event_types import EventType
from gateway.audit.holds import NotKept, lasting
from gateway.audit.models import AuditEvent, RequestRecord, Writer
from gateway.audit.sealing_models import RetentionRule, SealedChain
from gateway.audit.services import record_event

ROWS_PER_CUT: Final = 5_000  # deleted in one transaction: others wait for it
_ACTOR: Final = "system:retention"


class Kind(StrEnum):
    """The kinds of data that have a rule. Chains are cut here; of the others, whoever owns the
    tables asks `too_old` and deletes, with an event."""

    REQUESTS = "requests"
    EVENTS = "events"
    USAGE = "usage"
    CONVERSATIONS = "conversations"
    BATCH_ROWS = "batch_rows"
    SHEETS = "sheets"


CHAINED: Final = (Kind.REQUESTS, Kind.EVENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What one cut removed."""

    writer: str
    records: int
    last_seq: int
    kept: int


# --- rules ----------------------------------------------------------------------------------------


def set_retention(*, actor: str, kind: str, days: int | None) -> bool:
    """Keep a kind of data for `days` (at least 1), or for ever (None). Returns whether that is new.

    `kind` is one of Kind: a rule that nothing follows would be a promise. Raises NotKept.
    """
    if days is not None and kind not in set(Kind):
        raise NotKept(
            f"there is no rule for {kind!r}, only for {', '.join(Kind)}; kept content and files"
            " have days of their own, in the project's settings"
        )
    if days is not None and days < 1:
        raise NotKept("data is kept for at least a day")
    with transaction.atomic():
        rule = RetentionRule.objects.filter(pk=kind).first()
        before = rule.days if rule else None
        if before == days:
            return False
        if days is None:
            RetentionRule.objects.filter(pk=kind).delete()
        else:
            RetentionRule.objects.update_or_create(pk=kind, defaults={"days": days})
        record_event(
            actor=actor,
            type=EventType.RETENTION_CHANGED,
            object_type="retention",
            object_id=kind,
            details={"before_days": before, "days": days},
        )
    return True


def kept_days(kind: str) -> int | None:
    """How many days a kind of data is kept; None: for ever. One query."""
    return RetentionRule.objects.filter(pk=kind).values_list("days", flat=True).first()


def too_old(kind: Kind, now: datetime) -> datetime | None:
    """What is of this time or before it has to go; None: nothing has. One query."""
    days = kept_days(kind)
    return None if days is None else now - timedelta(days=days)


def record_removal(kind: str, counts: Mapping[str, int], *, days: int) -> None:
    """Write an event per project (its slug) that says how much of a kind was deleted because of its
    age. In the transaction of the deletion."""
    for project, count in sorted(counts.items()):
        record_event(
            actor=_ACTOR,
            type=EventType.DATA_DELETED,
            object_type="retention",
            object_id=kind,
            project=project,
            details={"count": count, "days": days},
        )


# --- pruning -------------------------------------------------------------------------------------


def prune(*, now: datetime | None = None) -> list[Pruned]:
    """Cut every chain as the rules say. Idempotent; returns what was cut.

    Many short transactions. Raises DatabaseError.
    """
    now = now or timezone.now()
    cuts: list[Pruned] = []
    for kind in CHAINED:
        days = kept_days(kind)
        if days is not None:
            writers: Iterable[str] = [CONTROL_WRITER]
            if kind is Kind.REQUESTS:
                others = Writer.objects.exclude(pk=CONTROL_WRITER)
                writers = others.values_list("pk", flat=True)
            for writer in writers:
                cuts += _prune_chain(kind, writer, now - timedelta(days=days), days)
    return cuts


def _prune_chain(kind: Kind, writer: str, before: datetime, days: int) -> list[Pruned]:
    cuts: list[Pruned] = []
    while True:
        with transaction.atomic():
            cut = _cut(kind, writer, before, days)
        if cut is None:
            return cuts
        cuts.append(cut)


def _cut(kind: Kind, writer: str, before: datetime, days: int) -> Pruned | None:
    """One cut, within the caller's transaction; None when nothing is left to cut."""
    rows = Writer.objects.filter(pk=writer)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    row = rows.first()
    sealed = SealedChain.objects.filter(pk=writer).first()
    if row is None or sealed is None or sealed.seq < row.first_seq:
        return None
    steps = _EVENTS if kind is Kind.EVENTS else _REQUESTS
    last = steps.last_old(row, before, sealed.seq)
    if last < row.first_seq:
        return None
    hash_ = steps.hash_at(writer, last)
    if not hash_:
        return None  # the chain is broken here: nothing is removed, `verify` names it
    going = steps.going(writer, last)
    removed = _delete(going)
    kept = steps.kept(writer, last)
    Writer.objects.filter(pk=writer).update(first_seq=last + 1, base_hash=hash_)
    record_event(
        actor=_ACTOR,
        type=EventType.AUDIT_PRUNED,
        object_type="writer",
        object_id=writer,
        details={
            "kind": kind.value,
            "days": days,
            "first_seq": row.first_seq,
            "last_seq": last,
            "last_hash": hash_,
            "records": removed,
            "kept": kept_digest(kept),
            "kept_records": len(kept),
            "head": sealed.head,
        },
    )
    return Pruned(writer=writer, records=removed, last_seq=last, kept=len(kept))


def _delete(rows: "QuerySet[RequestRecord] | QuerySet[AuditEvent]") -> int:
    """Past the guard of the evidence tables, which exists against everybody else."""
    ids = list(rows.values_list("pk", flat=True))
    model: type[Model] = rows.model
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            places = ", ".join(["%s"] * len(part))
            cursor.execute(f"DELETE FROM {table} WHERE id IN ({places})", part)  # noqa: S608
    return len(ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """What differs between the two tables."""

    last_old: Callable[[Writer, datetime, int], int]  # up to which seq all are old, at most sealed
    hash_at: Callable[[str, int], str]
    going: Callable[[str, int], "QuerySet[RequestRecord] | QuerySet[AuditEvent]"]
    kept: Callable[[str, int], list[tuple[int, str]]]


def _last_old_request(row: Writer, before: datetime, sealed: int) -> int:
    rows = RequestRecord.objects.filter(writer_id=row.pk, seq__gte=row.first_seq).order_by("seq")
    page = list(rows.values_list("seq", "at")[: ROWS_PER_CUT + 1])
    last = row.first_seq - 1
    for seq, at in page[:ROWS_PER_CUT]:
        if at >= before:
            return min(last, sealed)
        last = seq
    # All of them are old. Of a chain that is ended nothing is still to come.
    whole = len(page) <= ROWS_PER_CUT and row.ending
    return sealed if whole else min(last, sealed)


def _request_hash(writer: str, seq: int) -> str:
    rows = RequestRecord.objects.filter(writer_id=writer)
    decision = rows.filter(seq=seq).exclude(record="").values_list("hash", flat=True).first()
    if decision:
        return decision
    outcome = rows.filter(outcome_seq=seq).values_list("outcome_hash", flat=True).first()
    return outcome or ""


def _requests_held() -> Q:
    holds = lasting()
    return (
        Q(project__in=holds.projects) | Q(actor__in=holds.people) | Q(on_behalf_of__in=holds.people)
    )


def _requests_going(writer: str, last: int) -> QuerySet[RequestRecord]:
    rows = RequestRecord.objects.filter(writer_id=writer, seq__lte=last)
    return rows.exclude(outcome_seq__gt=last).exclude(_requests_held())


def _requests_kept(writer: str, last: int) -> list[tuple[int, str]]:
    rows = RequestRecord.objects.filter(writer_id=writer, seq__lte=last)
    found: list[tuple[int, str]] = []
    names = ("seq", "hash", "record", "outcome_seq", "outcome_hash")
    for seq, hash_, record, outcome_seq, outcome_hash in rows.values_list(*names):
        if record:
            found.append((seq, hash_))
        if outcome_seq is not None and outcome_seq <= last:
            found.append((outcome_seq, outcome_hash))
    return found


def _last_old_event(row: Writer, before: datetime, sealed: int) -> int:
    rows = AuditEvent.objects.filter(seq__gte=row.first_seq, seq__lte=sealed).order_by("seq")
    last = row.first_seq - 1
    for seq, at in rows.values_list("seq", "at")[:ROWS_PER_CUT]:
        if at >= before:
            break
        last = seq
    return last


def _event_hash(writer: str, seq: int) -> str:
    del writer
    return AuditEvent.objects.filter(seq=seq).values_list("hash", flat=True).first() or ""


def _events_going(writer: str, last: int) -> QuerySet[AuditEvent]:
    del writer
    holds = lasting()
    bare = [person.partition(":")[2] for person in holds.people]
    return (
        AuditEvent.objects.filter(seq__lte=last)
        .exclude(type=PRUNED)
        .exclude(project__in=holds.projects)
        .exclude(Q(actor__in=holds.people) | Q(object_id__in=[*holds.people, *bare]))
    )


def _events_kept(writer: str, last: int) -> list[tuple[int, str]]:
    del writer
    return list(AuditEvent.objects.filter(seq__lte=last).values_list("seq", "hash"))


_REQUESTS: Final = _Steps(
    last_old=_last_old_request, hash_at=_request_hash, going=_requests_going, kept=_requests_kept
)
_EVENTS: Final = _Steps(
    last_old=_last_old_event, hash_at=_event_hash, going=_events_going, kept=_events_kept
)
