"""Leasing rows and settling them: the transactions of whoever runs a batch.

INVARIANT: a row is settled by a conditional update that names the attempt, and its counters move
in the same transaction. So whatever dies or comes twice, each row counts once and has one result.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from gateway.batches.claims import CLAIM_TIME, reclaim, renew
from gateway.batches.models import Batch, BatchRow, RowState, Status
from gateway.files.encrypted import seal
from gateway.files.services import declared_together
from policies.engine.labels import PUBLIC, Label, Sensitivity

RUNNING = (Status.IN_PROGRESS,)
STOPPING = (Status.IN_PROGRESS, Status.CANCELLING, Status.FINALIZING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A row that is ours for this attempt."""

    id: int
    index: int
    line: int
    offset: int
    length: int
    attempt: int
    tries: int
    failures: int
    lost: bool
    retried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of an attempt. `result` is the row's line of the output or error file; PENDING
    puts the row back until `wait_s` seconds from now, with the line of the last try, if any."""

    row: Leased
    state: RowState
    result: bytes = field(default=b"", repr=False)
    code: str = ""
    label: Label | None = None
    passes_on: Label = PUBLIC  # what the row's answer inherits of it
    prompt_tokens: int = 0
    completion_tokens: int = 0
    wait_s: float = 0.0
    tried: bool = False  # PENDING: it was asked for, in vain
    counts: bool = False  # as one of the few tries
    lost: bool = False  # the attempt may have been answered without our knowing


def lease(batch_id: str, *, by: str, limit: int, now: datetime) -> list[Leased]:
    """The next rows that are due, now ours. Raises ClaimLost."""
    with transaction.atomic():
        renew(batch_id, by=by, statuses=RUNNING, now=now)
        due = BatchRow.objects.filter(
            batch_id=batch_id, state=RowState.PENDING, not_before__lte=now
        ).order_by("not_before", "index")[:limit]
        rows = [
            Leased(
                id=row.pk,
                index=row.index,
                line=row.line,
                offset=row.offset,
                length=row.length,
                attempt=row.attempt + 1,
                tries=row.tries,
                failures=row.failures,
                lost=row.lost,
                retried=row.retried,
            )
            for row in due
        ]
        BatchRow.objects.filter(pk__in=[row.id for row in rows]).update(
            state=RowState.LEASED,
            attempt=F("attempt") + 1,
            lease_until=now + CLAIM_TIME,
            driver=by,
        )
    return rows


def keep(batch_id: str, row_ids: Collection[int], *, by: str, now: datetime) -> Status:
    """Prolong the claim and the leases of the rows under way; take back those whose lease has
    ended, whoever had it. The batch's status now.

    Raises ClaimLost.
    """
    with transaction.atomic():
        renew(batch_id, by=by, statuses=STOPPING, now=now)
        BatchRow.objects.filter(pk__in=row_ids, state=RowState.LEASED, driver=by).update(
            lease_until=now + CLAIM_TIME
        )
        reclaim(batch_id, now=now)
        return Status(Batch.objects.values_list("status", flat=True).get(pk=batch_id))


def settle(batch_id: str, settled: Sequence[Settled], *, key: bytes) -> int:
    """Store what became of rows. Returns how many were still ours to settle.

    `key` is the project's file key.
    """
    now = timezone.now()
    with transaction.atomic():
        taken = _still_ours(settled)
        _store(batch_id, [each for each in taken if each.state is not RowState.PENDING], key)
        for each in taken:
            if each.state is RowState.PENDING:
                _put_back(batch_id, each, now, key)
        done = sum(each.state is RowState.COMPLETED for each in taken)
        failed = [each for each in taken if each.state is RowState.FAILED]
        if done or failed:
            Batch.objects.filter(pk=batch_id).update(
                completed=F("completed") + done,
                failed=F("failed") + len(failed),
                unlabelled=F("unlabelled") + sum(each.label is None for each in failed),
                prompt_tokens=F("prompt_tokens") + sum(each.prompt_tokens for each in taken),
                completion_tokens=F("completion_tokens")
                + sum(each.completion_tokens for each in taken),
            )
            _raise_label(batch_id, taken)
    return len(taken)


def unfinished(batch_id: str) -> bool:
    """Whether any row has no result yet."""
    waiting = BatchRow.objects.filter(
        batch_id=batch_id, state__in=[RowState.PENDING, RowState.LEASED]
    )
    return waiting.exists()


def sealed_context(batch_id: str, index: int) -> str:
    """What a row's sealed result is bound to."""
    return f"{batch_id}:{index}"


def _still_ours(settled: Sequence[Settled]) -> list[Settled]:
    """Those whose attempt is still the row's last one. They are locked until the transaction ends
    (SQLite's began with the lock), so that what is written afterwards is written to these."""
    ids = [each.row.id for each in settled]
    leased = BatchRow.objects.filter(pk__in=ids, state=RowState.LEASED).order_by("pk")
    attempts = dict(leased.select_for_update().values_list("pk", "attempt"))
    return [each for each in settled if attempts.pop(each.row.id, None) == each.row.attempt]


# One statement for all: compiled for each row, it took a tenth of the whole row's time.
_STORE = f"""
    UPDATE {connection.ops.quote_name(BatchRow._meta.db_table)}
    SET state = %s, code = %s, sealed_result = %s, lease_until = NULL, driver = ''
    WHERE id = %s AND attempt = %s AND state = %s"""  # noqa: S608 -- the table's own name


def _store(batch_id: str, settled: Sequence[Settled], key: bytes) -> None:
    values = [
        (
            each.state,
            each.code,
            seal(key, each.result, context=sealed_context(batch_id, each.row.index)),
            each.row.id,
            each.row.attempt,
            RowState.LEASED,
        )
        for each in settled
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(_STORE, values)


def _put_back(batch_id: str, each: Settled, now: datetime, key: bytes) -> None:
    row = each.row
    kept: dict[str, object] = {}
    if each.result:
        kept["sealed_result"] = seal(key, each.result, context=sealed_context(batch_id, row.index))
    BatchRow.objects.filter(pk=row.id, attempt=row.attempt, state=RowState.LEASED).update(
        state=RowState.PENDING,
        lease_until=None,
        driver="",
        not_before=now + timedelta(seconds=each.wait_s),
        lost=row.lost or each.lost,
        tries=row.tries + each.tried,
        failures=row.failures + each.counts,
        **kept,
    )


def _raise_label(batch_id: str, settled: Sequence[Settled]) -> None:
    # The counters' update holds the row's lock until this transaction ends.
    word, names, said = Batch.objects.values_list("sensitivity", "categories", "passes_on").get(
        pk=batch_id
    )
    before = Label(Sensitivity.from_word(word), frozenset(names))
    label = before
    for each in settled:
        label = label.joined(each.passes_on if each.label is None else each.label)
    together = declared_together(said, *sorted({each.passes_on.words for each in settled}))
    if label != before or together != said:
        Batch.objects.filter(pk=batch_id).update(
            sensitivity=label.sensitivity.word,
            categories=sorted(label.categories),
            passes_on=together,
        )
