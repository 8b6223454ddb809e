"""From settled rows to the output and the error file, in input order, in constant memory.

INVARIANT: a batch has its final status, its files and its event together or not at all. What an
interrupted attempt wrote is removed; the next one begins again.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from gateway.batches.claims import claim, new_claim, release, renew
from gateway.batches.earlier import EarlierLines
from gateway.batches.endings import SYSTEM, end
from gateway.batches.formats import Format, Problem, format_of
from gateway.batches.models import Batch, BatchRow, Ending, RowState, Status
from gateway.batches.results import unrun_line
from gateway.batches.rows import sealed_context
from gateway.files.encrypted import EncryptedReader, unseal
from gateway.files.keys import project_key
from gateway.files.models import Purpose, StoredFile
from gateway.files.services import abandon, declared_together, reading, replace, set_label
from gateway.files.uploads import Upload, publish
from policies.engine.labels import Label, Sensitivity

ROWS_AT_ONCE = 200
_STATUSES = (Status.FINALIZING, Status.CANCELLING)
_FINAL = {
    Ending.DONE: Status.COMPLETED,
    Ending.EXPIRED: Status.EXPIRED,
    Ending.CANCELLED: Status.CANCELLED,
}
_ALL_FAILED = Problem(
    code="all_requests_failed", message="Every request failed; the error file says why, row by row."
)
_UNRUN = {
    Ending.EXPIRED: (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    Ending.CANCELLED: (
        "batch_cancelled",
        "This request was not executed: the batch was cancelled.",
    ),
}


def finalize(batch_id: str, *, process: str) -> None:
    """Write the files of a batch that is `finalizing` or `cancelling` and end it. Idempotent.

    Does nothing while another process works on it or rows are under way.
    """
    by = new_claim(process)
    if not claim(batch_id, by=by, statuses=_STATUSES, now=timezone.now()):
        return
    written: list[StoredFile] = []
    kept = False
    try:
        if BatchRow.objects.filter(batch_id=batch_id, state=RowState.LEASED).exists():
            return
        batch = Batch.objects.select_related("project").get(pk=batch_id)
        if batch.in_progress_at is None:
            # It ended while its rows were being made: a part of them is no batch.
            BatchRow.objects.filter(batch_id=batch_id).delete()
        outputs = _write(batch, by=by, written=written)
        _end(batch, by=by, written=written, outputs=outputs)
        kept = True
    finally:
        if not kept:
            for file in written:
                abandon(file)
        release(batch_id, by=by)


def _write(batch: Batch, *, by: str, written: list[StoredFile]) -> "_Outputs":
    """Store the files, output first. Those of an earlier end stay until `_end`."""
    outputs = _Outputs(batch)
    if not batch.input_file_id:
        return outputs  # it ended before its input was written
    try:
        input_file = StoredFile.objects.select_related("project").get(pk=batch.input_file_id)
        with (
            reading(input_file) as reader,
            EarlierLines(batch.pk, batch.output_file_id) as output,
            EarlierLines(batch.pk, batch.error_file_id) as error,
        ):
            sources = _Sources(reader, output, error)
            for at, (row, line) in enumerate(_lines(batch, sources)):
                if at % ROWS_AT_ONCE == 0:
                    renew(batch.pk, by=by, statuses=_STATUSES, now=timezone.now())
                outputs.add(row, line)
        outputs.finish(written)
    finally:
        outputs.discard()
    return outputs


class _Outputs:
    """The two files while they are written; neither is begun before it has a line."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._uploads: dict[bool, Upload] = {}
        self.unrun = 0
        self.ids = {True: "", False: ""}  # output, error

    def add(self, row: BatchRow, line: bytes) -> None:
        good = row.state == RowState.COMPLETED
        self.unrun += row.state == RowState.PENDING
        upload = self._uploads.get(good)
        if upload is None:
            upload = self._uploads[good] = Upload(
                project=self._batch.project, actor=self._batch.actor, unlimited=True
            )
        upload.write(line + b"\n")

    def finish(self, written: list[StoredFile]) -> None:
        batch = self._batch
        for good in (True, False):
            upload = self._uploads.get(good)
            if upload is None:
                continue
            file = upload.store(
                name=f"{batch.pk}_{'output' if good else 'error'}.jsonl",
                purpose=Purpose.BATCH_OUTPUT,
                # Nobody finds in the answers what somebody had to say of the questions.
                declared=declared_together(batch.declared, batch.passes_on),
                label=_label(batch),
                expires_after_s=batch.output_expires_after_s,
            )
            written.append(file)
            self.ids[good] = file.pk

    def discard(self) -> None:
        for upload in self._uploads.values():
            upload.discard()


def _end(batch: Batch, *, by: str, written: list[StoredFile], outputs: _Outputs) -> None:
    ending = Ending(batch.ending)
    with transaction.atomic():
        now: datetime = timezone.now()
        renew(batch.pk, by=by, statuses=_STATUSES, now=now)
        if outputs.unrun:
            BatchRow.objects.filter(batch=batch, state=RowState.PENDING).update(
                state=RowState.FAILED, code=_UNRUN[ending][0]
            )
        # They are in the files now.
        BatchRow.objects.filter(batch=batch).update(sealed_result=None)
        for earlier in (batch.output_file_id, batch.error_file_id):
            if earlier:
                replace(earlier, SYSTEM)
        for file in written:
            publish(file)
        if batch.total and not outputs.unrun and not batch.unlabelled:
            # Of every row: what nobody has read may hold anything.
            set_label(batch.input_file_id, _label(batch))
        status, errors = _FINAL[ending], batch.errors
        if ending is Ending.DONE and not batch.completed:
            status, errors = Status.FAILED, [*errors, _ALL_FAILED.as_data()]
        end(
            batch,
            status,
            now=now,
            output_file_id=outputs.ids[True],
            error_file_id=outputs.ids[False],
            unlabelled=batch.unlabelled + outputs.unrun,
            failed=batch.failed + outputs.unrun,
            errors=errors,
        )


class _Sources(NamedTuple):
    """Where the lines of rows come from that have no result of their own."""

    input: EncryptedReader
    output: EarlierLines
    error: EarlierLines


def _lines(batch: Batch, sources: _Sources) -> Iterator[tuple[BatchRow, bytes]]:
    """Every row with its line, in input order."""
    key = project_key(batch.project)
    format = format_of(batch.kind)
    done = 0
    while True:
        rows = list(
            BatchRow.objects.filter(batch=batch, index__gte=done).order_by("index")[:ROWS_AT_ONCE]
        )
        if not rows:
            return
        for row in rows:
            sealed, context = row.sealed_result, sealed_context(batch.pk, row.index)
            kept = b"" if sealed is None else unseal(key, bytes(sealed), context=context)
            if row.state == RowState.PENDING:
                yield row, _unrun(batch, row, sources.input, format, last=kept)
            elif kept:
                yield row, kept
            elif row.state == RowState.COMPLETED:
                yield row, sources.output.of(row.index)
            else:
                yield row, sources.error.of(row.index)
        done = rows[-1].index + 1


def _unrun(
    batch: Batch, row: BatchRow, reader: EncryptedReader, format: Format, *, last: bytes
) -> bytes:
    request = format.request(reader.read_at(row.offset, row.length))
    code, message = _UNRUN[Ending(batch.ending)]
    return unrun_line(batch.pk, row, request.custom_id, code=code, message=message, last=last)


def _label(batch: Batch) -> Label:
    return Label(Sensitivity.from_word(batch.sensitivity), frozenset(batch.categories))
