"""From a run that has ended to answers beside their rows, in constant memory.

The run's output and error file and the answers so far are all in row order; they are merged into
one new file, which takes the place of the old one together with the sheet's new state.
INVARIANT: a row that has an answer keeps it, whatever a later run says about other rows.
"""

import heapq
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
from django.db import transaction
from django.utils import timezone

from gateway.audit.event_types import EventType
from gateway.batches.claims import ClaimLost
from gateway.batches.models import ACTIVE, Batch, BatchRow, RowState, Status
from gateway.batches.sheets.answered import Answer, answers_of, encode_answer
from gateway.batches.sheets.answers import NotAsAsked, read_answer
from gateway.batches.sheets.claims import Claim
from gateway.batches.sheets.events import SYSTEM, record
from gateway.batches.sheets.mails import tell_later
from gateway.batches.sheets.models import ENDED, UNDER_WAY, Sheet, SheetStatus
from gateway.batches.sheets.problems import SheetState
from gateway.batches.sheets.setup import Setup
from gateway.batches.sheets.tables import lines_of, open_sheet
from gateway.batches.sheets.words import row_number
from gateway.files.models import Purpose, StoredFile
from gateway.files.services import abandon, declared_together, discard_file, label_of, let_go
from gateway.files.uploads import Upload, publish
from gateway.inference.prices import nano_of
from policies.engine.labels import Label, Sensitivity

# The batch ended before these rows had their turn: they have no result yet.
UNRUN = frozenset({"batch_cancelled", "batch_expired"})
ANSWER_INVALID = "answer_invalid"
ASKED = "asked"
_STOPPED = {Status.EXPIRED: "batch_expired", Status.CANCELLED: "batch_cancelled"}
MAX_MESSAGE_CHARS = 2000


@dataclass(slots=True)
class _Counts:
    """Of all answers, and what this run used."""

    completed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano: int = 0
    unpriced: int = 0

    def add(self, answer: Answer) -> None:
        """Count a row, if it has ended."""
        if answer.failed:
            self.failures[answer.code] += 1
        elif not answer.pending:
            self.completed += 1


def collect(sheet_id: str, *, process: str) -> bool:
    """Take in the run of a sheet once it has ended. Idempotent. False: not now."""
    claim = Claim(sheet_id, process=process, statuses=UNDER_WAY)
    if not claim.taken:
        return False
    try:
        sheet = Sheet.objects.select_related("project", "batch").get(pk=sheet_id)
        if sheet.batch is None or sheet.batch.status in ACTIVE:
            return False
        _collect(claim, sheet, sheet.batch)
    except ClaimLost:
        return False
    finally:
        claim.release()
    return True


def _collect(claim: Claim, sheet: Sheet, batch: Batch) -> None:
    counts = _Counts()
    old = sheet.answers_file_id
    try:
        file = _write(claim, sheet, batch, counts)
    except SheetState as error:
        # Its files are gone: what is known stays, and somebody has to look.
        claim.update(status=SheetStatus.PAUSED, reason=error.recorded)
        let_go(sheet.table_file_id)
        return
    try:
        with transaction.atomic():
            _settle(claim, sheet, batch, counts, file)
    except BaseException:
        if file is not None:
            abandon(file)
        raise
    leftover = [
        old if file is not None else "",
        batch.output_file_id,
        batch.error_file_id,
        batch.input_file_id,
    ]
    rows = StoredFile.objects.filter(pk__in=[each for each in leftover if each])
    for row in rows.select_related("project"):
        discard_file(row, actor=SYSTEM, reason="collected")


def _write(claim: Claim, sheet: Sheet, batch: Batch, counts: _Counts) -> StoredFile | None:
    """The answers so far and this run's, in one file. None when there are none at all."""
    setup = open_sheet(sheet).setup
    if setup is None:
        raise SheetState("The setup is gone.")
    label = _label(sheet, batch)
    upload = Upload(project=sheet.project, actor=sheet.actor, unlimited=True)
    try:
        with ExitStack() as files:
            before = files.enter_context(answers_of(sheet))
            found = _of_run(files, batch, setup, counts)
            for answer in _merged(before, found):
                claim.keep()
                counts.add(answer)
                upload.write(encode_answer(answer) + b"\n")
        if not upload.size_bytes:
            return None
        return upload.store(
            name=f"{sheet.pk}_answers.jsonl",
            purpose=Purpose.BATCH_OUTPUT,
            declared=_declared(sheet, batch),
            label=label,
        )
    finally:
        upload.discard()


def _label(sheet: Sheet, batch: Batch) -> Label:
    """The join of what the estimate, the run's rows and the answers so far hold: a later run of
    clean rows takes nothing away, and a run may find what no estimate asks for."""
    label = Label(Sensitivity.from_word(batch.sensitivity), frozenset(batch.categories))
    if sheet.sensitivity:
        estimated = Label(Sensitivity.from_word(sheet.sensitivity), frozenset(sheet.categories))
        label = label.joined(estimated)
    old = StoredFile.objects.filter(pk=sheet.answers_file_id).first()
    known = label_of(old) if old is not None else None
    return label if known is None else label.joined(known)


def _declared(sheet: Sheet, batch: Batch) -> str:
    """What holds for whatever is made of the answers: of the table, of this run's rows and of the
    answers so far."""
    old = StoredFile.objects.filter(pk=sheet.answers_file_id).first()
    return declared_together(sheet.declared, batch.passes_on, old.declared if old else "")


def _merged(before: Iterator[Answer], found: Iterator[Answer]) -> Iterator[Answer]:
    """Both in row order; what a run found takes the place of what was there, but for what may have
    been paid for twice."""
    last: Answer | None = None
    # Of two for one row the merge gives the one of `before` first.
    for answer in heapq.merge(before, found, key=lambda each: each.row):
        if last is None:
            last = answer
        elif last.row != answer.row:
            yield last
            last = answer
        else:
            last = _later(last, answer)
    if last is not None:
        yield last


def _later(before: Answer, found: Answer) -> Answer:
    """Of two for one row what holds now: an answer stays, and so does a reason why there is none
    until the row has ended again."""
    stays = found.pending or not (before.failed or before.pending)
    return msgspec.structs.replace(before if stays else found, lost=before.lost or found.lost)


def _of_run(files: ExitStack, batch: Batch, setup: Setup, counts: _Counts) -> Iterator[Answer]:
    parts: list[Iterator[Answer]] = []
    if batch.output_file_id:
        lines = files.enter_context(lines_of(batch.output_file_id))
        parts.append(_good(line, setup, counts) for line in lines)
    if batch.error_file_id:
        lines = files.enter_context(lines_of(batch.error_file_id))
        codes = (
            BatchRow.objects.filter(batch=batch, state=RowState.FAILED)
            .order_by("index")
            .values_list("code", flat=True)
            .iterator(chunk_size=1000)
        )
        # The error file has exactly these rows, in this order.
        pairs = zip(lines, codes, strict=True)
        bad = (_bad(line, code) for line, code in pairs)
        parts.append(answer for answer in bad if answer.lost or not answer.pending)
    return heapq.merge(*parts, key=lambda each: each.row)


def _good(line: bytes, setup: Setup, counts: _Counts) -> Answer:
    tree = msgspec.json.decode(line)
    receipt, body = tree["sluice"], tree["response"]["body"]
    # What the request was settled with: the same figures as in usage and budgets.
    prompt_tokens, completion_tokens = receipt["prompt_tokens"], receipt["completion_tokens"]
    cost = None if receipt["cost_usd"] is None else nano_of(Decimal(receipt["cost_usd"]))
    if cost is None:
        counts.unpriced += 1
    else:
        counts.cost_nano += cost
    counts.prompt_tokens += prompt_tokens
    counts.completion_tokens += completion_tokens
    code, message = "", ""
    try:
        cells = read_answer(setup, body)
    except NotAsAsked as error:
        cells, code, message = [], ANSWER_INVALID, error.text
    return Answer(
        row=row_number(tree["custom_id"]),
        cells=cells,
        code=code,
        message=message[:MAX_MESSAGE_CHARS],
        zone=receipt["zone"],
        deployment=receipt["deployment"],
        model=receipt["model"],
        rules=receipt["rules"],
        masked=receipt["masked"],
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_nano=cost,
        lost=receipt["earlier_attempt_lost"],
    )


def _bad(line: bytes, code: str) -> Answer:
    tree = msgspec.json.decode(line)
    receipt = tree.get("sluice") or {}
    row, lost = row_number(tree["custom_id"]), receipt.get("earlier_attempt_lost", False)
    if code in UNRUN:
        return Answer(row=row, lost=lost, pending=True)
    try:
        message = tree["response"]["body"]["error"]["message"]
    except (KeyError, TypeError):
        message = ""
    return Answer(
        row=row,
        code=code or "failed",
        message=str(message or "")[:MAX_MESSAGE_CHARS],
        zone=receipt.get("zone", ""),
        deployment=receipt.get("deployment", ""),
        rules=receipt.get("rules", []),
        lost=lost,
    )


def _settle(
    claim: Claim, sheet: Sheet, batch: Batch, counts: _Counts, file: StoredFile | None
) -> None:
    """The sheet's next state, with its answers, in the caller's transaction."""
    if file is not None:
        publish(file)
    failed = counts.failures.total()
    status, reason = _next(sheet, batch, counts, failed)
    label = _label(sheet, batch)
    ended = status in ENDED
    claim.update(
        status=status,
        reason=reason,
        answers_file_id=file.pk if file is not None else sheet.answers_file_id,
        completed=counts.completed,
        failed=failed,
        failures=dict(sorted(counts.failures.items())),
        prompt_tokens=sheet.prompt_tokens + counts.prompt_tokens,
        completion_tokens=sheet.completion_tokens + counts.completion_tokens,
        cost_nano=sheet.cost_nano + counts.cost_nano,
        unpriced=sheet.unpriced + counts.unpriced,
        sensitivity=label.sensitivity.word,
        categories=sorted(label.categories),
        ended_at=timezone.now() if ended else None,
    )
    let_go(sheet.table_file_id)
    sheet.refresh_from_db()
    if ended:
        record(
            EventType.SHEET_FINISHED,
            sheet,
            SYSTEM,
            status=sheet.status,
            rows=sheet.to_ask,
            completed=sheet.completed,
            failed=sheet.failed,
            sensitivity=label.sensitivity.word,
            categories=sorted(label.categories),
        )
    elif reason != ASKED:
        record(EventType.SHEET_PAUSED, sheet, SYSTEM, reason=reason)
    if sheet.notify and reason != ASKED:
        tell_later(sheet)


def _next(sheet: Sheet, batch: Batch, counts: _Counts, failed: int) -> tuple[SheetStatus, str]:
    if counts.completed + failed >= sheet.to_ask:
        return (SheetStatus.COMPLETED if counts.completed else SheetStatus.FAILED), ""
    if sheet.status == SheetStatus.CANCELLING:
        return SheetStatus.CANCELLED, ASKED
    if sheet.status == SheetStatus.PAUSING:
        return SheetStatus.PAUSED, ASKED
    if batch.errors:
        return SheetStatus.PAUSED, str(batch.errors[0].get("code") or "batch_failed")
    return SheetStatus.PAUSED, _STOPPED.get(Status(batch.status), "rows_left")
