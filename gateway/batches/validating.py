"""From an input file to rows: all of them, or a list of what is wrong.

INVARIANT: a batch leaves `validating` with every row there, or with none.
"""

import logging
from collections.abc import Iterator
from itertools import islice
from time import monotonic

from django.db import transaction
from django.utils import timezone

from gateway.accounts.limits import limits_of
from gateway.batches.claims import claim, new_claim, release, renew
from gateway.batches.endings import end
from gateway.batches.formats import Place, Problem, format_of, writer_of
from gateway.batches.models import Batch, BatchRow, Ending, Status
from gateway.files.blobs import StorageUnavailable
from gateway.files.encrypted import EncryptedReader, Unreadable
from gateway.files.models import StoredFile
from gateway.files.services import abandon, hold, reading
from gateway.files.uploads import publish
from gateway.protocol.errors import GatewayError, InvalidRequest
from policies.engine.facts import Endpoint

MAX_PROBLEMS = 100
ROWS_AT_ONCE = 1000
RENEW_AFTER_S = 5.0
log = logging.getLogger(__name__)

_VALIDATING = (Status.VALIDATING,)


def validate(batch_id: str, *, process: str) -> None:
    """Read the whole input of a batch in `validating` and make its rows; have it written first
    where its kind does that. Idempotent.

    Does nothing when another process is at it. Raises ClaimLost when it was cancelled meanwhile.
    """
    by = new_claim(process)
    if not claim(batch_id, by=by, statuses=_VALIDATING, now=timezone.now()):
        return
    batch = Batch.objects.select_related("project").get(pk=batch_id)
    try:
        if not batch.input_file_id:
            _write_input(batch, by=by)
        file = StoredFile.objects.select_related("project").get(pk=batch.input_file_id)
        with reading(file) as reader:
            problems = _problems(batch, reader)
            if problems:
                _fail(batch, problems, by=by)
            else:
                _make_rows(batch, reader, by=by)
    except StorageUnavailable as error:
        log.warning("batch %s waits for its input: %s", batch_id, error)  # the sweep tries again
    except GatewayError as error:  # of whoever writes the input
        _fail(batch, [Problem(code=error.recorded, message=error.message)], by=by)
    except (OSError, Unreadable):
        _fail(batch, [Problem(code="unreadable_file", message="The file cannot be read.")], by=by)
    finally:
        release(batch_id, by=by)


def _write_input(batch: Batch, *, by: str) -> None:
    """Have the input written, and keep the claim meanwhile. Raises GatewayError, ClaimLost."""
    writer = writer_of(batch.kind)
    if writer is None:
        raise InvalidRequest("This batch has no input.", code="unreadable_file")
    renewed_s = monotonic()

    def keep() -> None:
        nonlocal renewed_s
        if monotonic() - renewed_s >= RENEW_AFTER_S:
            with transaction.atomic():
                renew(batch.pk, by=by, statuses=_VALIDATING, now=timezone.now())
            renewed_s = monotonic()

    file = writer(batch, keep)
    try:
        with transaction.atomic():
            renew(batch.pk, by=by, statuses=_VALIDATING, now=timezone.now())
            publish(file)
            hold(file)
            Batch.objects.filter(pk=batch.pk).update(input_file_id=file.pk)
    except BaseException:
        abandon(file)
        raise
    batch.input_file_id = file.pk


def _problems(batch: Batch, reader: EncryptedReader) -> list[Problem]:
    """The first hundred of what is wrong. Writes nothing."""
    most = limits_of(batch.project).batch_rows
    found: list[Problem] = []
    count = 0
    for item in format_of(batch.kind).rows(reader, endpoint=Endpoint(batch.endpoint)):
        if isinstance(item, Problem):
            found.append(item)
            if len(found) >= MAX_PROBLEMS:
                return found
            continue
        count += 1
        if count > most:
            return [
                *found,
                Problem(
                    code="too_many_rows",
                    message=f"A batch of this project may have at most {most} requests.",
                    line=item.line,
                ),
            ]
    if not count and not found:
        return [Problem(code="empty_file", message="The input file has no requests.")]
    return found


def _make_rows(batch: Batch, reader: EncryptedReader, *, by: str) -> None:
    with transaction.atomic():
        renew(batch.pk, by=by, statuses=_VALIDATING, now=timezone.now())
        # Of an attempt that was interrupted.
        BatchRow.objects.filter(batch=batch).delete()
    total = 0
    for places in _groups(batch, reader):
        with transaction.atomic():
            renew(batch.pk, by=by, statuses=_VALIDATING, now=timezone.now())
            BatchRow.objects.bulk_create(
                BatchRow(
                    batch=batch,
                    index=total + number,
                    line=place.line,
                    offset=place.offset,
                    length=place.length,
                    not_before=batch.created_at,
                )
                for number, place in enumerate(places)
            )
        total += len(places)
    with transaction.atomic():
        now = timezone.now()
        renew(batch.pk, by=by, statuses=_VALIDATING, now=now)
        Batch.objects.filter(pk=batch.pk).update(
            status=Status.IN_PROGRESS, in_progress_at=now, total=total, driver="", driver_until=None
        )


def _groups(batch: Batch, reader: EncryptedReader) -> Iterator[list[Place]]:
    items = format_of(batch.kind).rows(reader, endpoint=Endpoint(batch.endpoint))
    places = (item for item in items if isinstance(item, Place))
    while group := list(islice(places, ROWS_AT_ONCE)):
        yield group


def _fail(batch: Batch, problems: list[Problem], *, by: str) -> None:
    with transaction.atomic():
        now = timezone.now()
        renew(batch.pk, by=by, statuses=_VALIDATING, now=now)
        BatchRow.objects.filter(batch=batch).delete()
        errors = [problem.as_data() for problem in problems]
        end(batch, Status.FAILED, now=now, errors=errors, ending=Ending.DONE)
