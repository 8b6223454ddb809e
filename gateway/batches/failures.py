"""What became of a batch's rows that failed: why, how many of each, and asking for them again.

A retry runs in the same batch. What was answered stays; when the retry ends, both files are written
anew, with the new answers in their places.
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone

from gateway.audit.event_types import EventType
from gateway.batches.endings import record
from gateway.batches.jsonl import KIND
from gateway.batches.models import ACTIVE, Batch, BatchRow, RowState, Status
from gateway.batches.services import get_batch, require_room, require_scope, window_of
from gateway.batches.waking import wake_soon
from gateway.files.models import StoredFile
from gateway.files.services import hold
from gateway.inference.contracts import Principal
from gateway.protocol.errors import InvalidRequest
from policies.engine.facts import Endpoint

MAX_MODEL_CHARS = 200
_NOT_YET = (
    *("finalizing_at", "completed_at", "failed_at"),
    *("expired_at", "cancelling_at", "cancelled_at"),
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows failed, in the word of an error's `code`, and how many did."""

    code: str
    rows: int


def reasons_of(batch: Batch) -> list[Reason]:
    """Why rows of a batch failed, the commonest first. One query."""
    failed = BatchRow.objects.filter(batch=batch, state=RowState.FAILED)
    counted = failed.values("code").annotate(rows=Count("pk")).order_by("-rows", "code")
    return [Reason(each["code"], each["rows"]) for each in counted]


def retry_failed(
    principal: Principal, batch_id: str, *, codes: Collection[str] = (), model: str = ""
) -> Batch:
    """Ask again for rows that failed: those with one of `codes`, or all. The batch goes on, with a
    new completion window. `model`: the alias to ask these rows of instead of their own.

    Each row is labelled and decided anew, as the principal that asks. Raises NotFound,
    ScopeDenied, InvalidRequest; then nothing was changed.
    """
    batch = get_batch(principal, batch_id)
    require_scope(principal, Endpoint(batch.endpoint))
    if batch.kind != KIND:
        raise InvalidRequest(
            "These are the rows of a table: retry them there.", code="batch_of_a_table"
        )
    if len(model) > MAX_MODEL_CHARS:
        raise InvalidRequest("No model has so long a name.", param="model")
    with transaction.atomic():
        require_room(batch.project)
        now = timezone.now()
        begun = Batch.objects.filter(pk=batch.pk).exclude(status__in=ACTIVE)
        if not begun.update(
            status=Status.IN_PROGRESS,
            ending="",
            errors=[],
            actor=principal.actor,
            key_id=principal.key_id,
            retry_model=model,
            expires_at=now + window_of(batch.completion_window),
            **dict.fromkeys(_NOT_YET),
        ):
            raise InvalidRequest(
                f"A batch with the status `{batch.status}` is not retried: wait for its end.",
                code="batch_not_ended",
            )
        rows = BatchRow.objects.filter(batch=batch, state=RowState.FAILED)
        if codes:
            rows = rows.filter(code__in=codes)
        count = rows.update(
            state=RowState.PENDING, code="", tries=0, failures=0, not_before=now, retried=True
        )
        if not count:
            raise InvalidRequest("No row failed for that reason.", code="nothing_to_retry")
        left = batch.failed - count
        Batch.objects.filter(pk=batch.pk).update(
            failed=F("failed") - count, unlabelled=min(batch.unlabelled, left)
        )
        _hold_files(batch)
        batch.refresh_from_db()
        record(
            EventType.BATCH_RETRIED,
            batch,
            principal.actor,
            rows=count,
            reasons=sorted(codes),
            model=model,
            key=principal.key_prefix,
        )
        wake_soon(batch.pk)
    return batch


def _hold_files(batch: Batch) -> None:
    """Keep what the rows are read from, and the results that stay."""
    for file_id in (batch.input_file_id, batch.output_file_id, batch.error_file_id):
        file = StoredFile.objects.filter(pk=file_id).first() if file_id else None
        if file_id and (file is None or not hold(file)):
            raise InvalidRequest(
                f"The file {file_id} of this batch is deleted, so its rows cannot be asked again.",
                code="file_gone",
            )
