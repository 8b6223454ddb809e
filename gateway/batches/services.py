"""Creating, listing and cancelling batches. Each checks whose they are and writes its event.

What belongs to another project looks like what does not exist (NotFound).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from gateway.accounts.limits import limits_of
from gateway.accounts.models import Project
from gateway.audit.event_types import EventType
from gateway.batches.endings import record
from gateway.batches.formats import writer_of
from gateway.batches.jsonl import KIND, URLS
from gateway.batches.models import ACTIVE, Batch, Ending, Status
from gateway.batches.waking import wake_soon
from gateway.files.encrypted import seal, unseal
from gateway.files.keys import project_key
from gateway.files.models import Purpose, StoredFile
from gateway.files.services import (
    ERASURE,
    behind,
    declared_together,
    declared_words,
    get_file,
    hold,
    let_go,
    project_of,
)
from gateway.files.uploads import require_lifetime
from gateway.inference.contracts import Principal
from gateway.protocol.errors import InvalidRequest, NotFound, ScopeDenied
from policies.engine.facts import Endpoint

MAX_METADATA = 16
MAX_METADATA_KEY, MAX_METADATA_VALUE = 64, 512
_WINDOW = re.compile("([1-9][0-9]{0,2})([hd])")
LONGEST_WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a batch is asked to be, as it came; `create_batch` checks it. `input_file_id` is empty
    where the kind of batch has its input written (`formats.writer_of`)."""

    input_file_id: str
    endpoint: str  # "/v1/chat/completions"
    completion_window: str = "24h"  # hours or days: "24h", "7d"
    metadata: Mapping[str, str] | None = None
    declared: str = ""
    output_expires_after_s: int | None = None
    kind: str = KIND
    revision: str = ""  # of the policy that its rows may go under; empty: whichever holds


@dataclass(frozen=True, slots=True)
class Page:
    """Some batches of a list, and whether more follow."""

    batches: tuple[Batch, ...]
    has_more: bool


def create_batch(principal: Principal, wanted: Wanted) -> Batch:
    """Make a batch in `validating` and wake a worker. Raises GatewayError; then nothing is made."""
    endpoint = _endpoint(wanted.endpoint)
    require_scope(principal, endpoint)
    window = window_of(wanted.completion_window)
    if wanted.output_expires_after_s is not None:
        require_lifetime(wanted.output_expires_after_s, "output_expires_after.seconds")
    check_metadata(wanted.metadata)
    file = _input_of(principal, wanted)
    now = timezone.now()
    project = project_of(principal) if file is None else file.project
    declared = declared_together("" if file is None else file.declared, wanted.declared)
    batch = Batch(
        project=project,
        kind=wanted.kind,
        revision=wanted.revision,
        actor=principal.actor,
        key_id=principal.key_id,
        endpoint=endpoint.value,
        completion_window=wanted.completion_window,
        declared=declared,
        input_file_id=wanted.input_file_id,
        output_expires_after_s=wanted.output_expires_after_s,
        created_at=now,
        expires_at=now + window,
    )
    if wanted.metadata is not None:
        batch.sealed_metadata = seal(
            project_key(project), msgspec.json.encode(dict(wanted.metadata)), context=batch.pk
        )
    with transaction.atomic():
        require_room(project)
        if file is not None and not hold(file):
            raise NotFound("The input file was just deleted.", param="input_file_id")
        batch.save(force_insert=True)
        record(
            EventType.BATCH_CREATED,
            batch,
            principal.actor,
            endpoint=endpoint.value,
            input_file=wanted.input_file_id,
            key=principal.key_prefix,
            window=batch.completion_window,
            declared=declared_words(declared),
        )
        wake_soon(batch.pk)
    return batch


def _input_of(principal: Principal, wanted: Wanted) -> StoredFile | None:
    """None: it is written by a worker."""
    if not wanted.input_file_id and writer_of(wanted.kind) is not None:
        return None
    file = get_file(principal, wanted.input_file_id)
    if file.purpose != Purpose.BATCH:
        raise InvalidRequest(
            "The input file must have been uploaded with the purpose `batch`.",
            param="input_file_id",
        )
    return file


def get_batch(principal: Principal, batch_id: str) -> Batch:
    """A batch of the principal's project. Raises NotFound. Two queries, however many rows."""
    project = project_of(principal)
    batch = Batch.objects.filter(project=project, pk=batch_id).select_related("project").first()
    if batch is None:
        raise _no_such(batch_id)
    return batch


def list_batches(principal: Principal, *, limit: int, after: str = "") -> Page:
    """The project's batches, the newest first, those behind the batch `after`."""
    project = project_of(principal)
    rows = Batch.objects.filter(project=project).select_related("project")
    if after:
        last = Batch.objects.filter(project=project, pk=after).first()
        if last is None:
            raise _no_such(after)
        rows = rows.filter(behind(last.created_at, last.pk, newest_first=True))
    found = tuple(rows.order_by("-created_at", "-id")[: limit + 1])
    return Page(found[:limit], len(found) > limit)


def passed_on_by_rows(file: StoredFile) -> str:
    """What rows of batches that read the file passed on, as a declaration: a table made of it has
    their texts in its cells, and no longer what they declared of themselves. One query."""
    batches = Batch.objects.filter(project_id=file.project_id, input_file_id=file.pk)
    return declared_together(*batches.exclude(passes_on="").values_list("passes_on", flat=True))


def cancel_batch(principal: Principal, batch_id: str) -> Batch:
    """Begin to cancel: rows under way are finished, those before them are kept.

    Raises NotFound, InvalidRequest for a batch that is ending or has ended.
    """
    batch = get_batch(principal, batch_id)
    if not _cancel(batch, actor=principal.actor, reason="asked"):
        batch.refresh_from_db()
        if batch.status != Status.CANCELLING:
            raise InvalidRequest(
                f"A batch with the status `{batch.status}` cannot be cancelled.",
                code="batch_not_cancellable",
            )
    batch.refresh_from_db()
    return batch


def erase_batches(actors: Iterable[str]) -> int:
    """Remove all batches that these actors asked for, with their rows and results. What runs is
    stopped by that: its worker finds nothing left to settle. Returns how many.

    Call it before their files are erased.
    """
    gone = 0
    for batch in Batch.objects.filter(actor__in=list(actors)).select_related("project"):
        with transaction.atomic():
            if batch.is_active:
                let_go(batch.input_file_id)
                record(EventType.BATCH_CANCELLED, batch, ERASURE, reason="person_erased")
            Batch.objects.filter(pk=batch.pk).delete()
        gone += 1
    return gone


def stop_batch(batch_id: str, *, reason: str, message: str) -> None:
    """Cancel a batch whose key or person may not go on. `reason` is a word, kept in `errors`."""
    batch = Batch.objects.select_related("project").get(pk=batch_id)
    error = {"code": reason, "message": message, "param": None, "line": None}
    _cancel(batch, actor="system:batches", reason=reason, errors=[error])


def _cancel(batch: Batch, *, actor: str, reason: str, **changes: object) -> bool:
    with transaction.atomic():
        changed = Batch.objects.filter(
            pk=batch.pk, status__in=[Status.VALIDATING, Status.IN_PROGRESS]
        ).update(
            status=Status.CANCELLING,
            ending=Ending.CANCELLED,
            cancelling_at=timezone.now(),
            **changes,
        )
        if not changed:
            return False
        record(EventType.BATCH_CANCELLED, batch, actor, reason=reason)
        wake_soon(batch.pk)
    return True


def metadata_of(batch: Batch) -> dict[str, str] | None:
    """What the caller attached. One query for the key when there is any."""
    if batch.sealed_metadata is None:
        return None
    key = project_key(batch.project)
    text = unseal(key, bytes(batch.sealed_metadata), context=batch.pk)
    return msgspec.json.decode(text, type=dict[str, str])


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    """Raises InvalidRequest unless OpenAI would take it: 16 pairs, 64 and 512 characters."""
    for key, value in (metadata or {}).items():
        if len(key) > MAX_METADATA_KEY or len(value) > MAX_METADATA_VALUE:
            raise InvalidRequest(
                f"A metadata key has at most {MAX_METADATA_KEY} characters, a value "
                f"{MAX_METADATA_VALUE}.",
                param="metadata",
            )
    if metadata is not None and len(metadata) > MAX_METADATA:
        raise InvalidRequest(f"At most {MAX_METADATA} pairs of metadata.", param="metadata")


def _endpoint(url: str) -> Endpoint:
    endpoint = URLS.get(url)
    if endpoint is None:
        raise InvalidRequest(f"`endpoint` must be one of {', '.join(URLS)}.", param="endpoint")
    return endpoint


def require_scope(principal: Principal, endpoint: Endpoint) -> None:
    """Raises ScopeDenied for a key that may not ask what the rows ask."""
    if principal.scopes and endpoint.value not in principal.scopes:
        raise ScopeDenied(f"This API key may not use {endpoint.value}.")


def window_of(words: str) -> timedelta:
    """A completion window such as `24h` or `7d`. Raises InvalidRequest."""
    found = _WINDOW.fullmatch(words)
    if found:
        number = int(found[1])
        window = timedelta(days=number) if found[2] == "d" else timedelta(hours=number)
        if window <= LONGEST_WINDOW:
            return window
    raise InvalidRequest(
        "`completion_window` must be hours or days up to 30 days, such as `24h`.",
        param="completion_window",
    )


def require_room(project: Project) -> None:
    """Raises InvalidRequest when no further batch may begin. Call it in the batch's transaction."""
    if connection.features.has_select_for_update:
        # Creations of one project take turns, or two would fit where one does.
        Project.objects.select_for_update().get(pk=project.pk)
    most = limits_of(project).active_batches
    if Batch.objects.filter(project=project, status__in=ACTIVE).count() >= most:
        raise InvalidRequest(
            f"This project has {most} unfinished batches, which is its limit. Wait "
            "for one to end, or cancel one.",
            code="too_many_batches",
        )


def _no_such(batch_id: str) -> NotFound:
    return NotFound(f"No such batch: {batch_id[:80]!r}.", param="id")


def expire(now: datetime) -> None:
    """Begin the end of batches whose completion window is over by `now`. Idempotent."""
    over = Batch.objects.filter(
        status__in=[Status.VALIDATING, Status.IN_PROGRESS], expires_at__lte=now
    )
    over.update(status=Status.FINALIZING, ending=Ending.EXPIRED, finalizing_at=now)
