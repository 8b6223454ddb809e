"""Making, setting up, listing and deleting sheets. Each checks whose they are.

What belongs to another project looks like what does not exist (NotFound).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from gateway.accounts.access import require
from gateway.accounts.acting import actor_name
from gateway.accounts.limits import limits_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.audit.event_types import EventType
from gateway.audit.holds import lasting, refuse_held
from gateway.audit.retention import Kind, too_old
from gateway.batches.sheets.events import SYSTEM, record
from gateway.batches.sheets.judging import Judge
from gateway.batches.sheets.models import UNDER_WAY, Sheet, SheetStatus, new_sheet_id
from gateway.batches.sheets.problems import SheetRefused, SheetState
from gateway.batches.sheets.reading import read
from gateway.batches.sheets.runs import require_model
from gateway.batches.sheets.setup import Setup, read_setup
from gateway.batches.sheets.source import Source
from gateway.batches.sheets.tables import (
    Table,
    open_sheet,
    seal_setup,
    seal_table,
    store_rows,
)
from gateway.batches.sheets.waking import wake_soon
from gateway.batches.sheets.who import principal_of
from gateway.files.models import StoredFile
from gateway.files.services import (
    RETENTION,
    abandon,
    behind,
    declared_words,
    discard_file,
    let_go,
)
from gateway.files.uploads import publish
from gateway.inference.label import read_declaration
from gateway.protocol.errors import FailClosed, NotFound, RequestTooLarge
from gateway.snapshot.now import snapshot_now

MAX_NAME_CHARS = 255


@dataclass(frozen=True, slots=True)
class Page:
    """Some sheets of a list, and whether more follow."""

    sheets: tuple[Sheet, ...]
    has_more: bool


def create_sheet(
    by: User, project: Project, source: Source, *, declared: str = "", sheet: str = ""
) -> Sheet:
    """Read a table and keep it, encrypted: all of it, or nothing. `sheet`: of a workbook.

    Raises SheetRefused, RequestTooLarge, InvalidRequest, PermissionDenied.
    """
    require(by, project, Role.MEMBER)
    limits = limits_of(project)
    most_bytes = limits.file_bytes
    if source.size_bytes > most_bytes:
        raise RequestTooLarge(f"A file of this project may have at most {most_bytes} bytes.")
    declared = _declared(project, declared)
    columns, rows = read(source, sheet=sheet)
    name = source.name[-MAX_NAME_CHARS:]
    file, count = store_rows(
        project, actor_name(by), rows, name=name, declared=declared, most=limits.batch_rows
    )
    made = Sheet(
        id=new_sheet_id(),
        project=project,
        actor=actor_name(by),
        declared=declared,
        rows=count,
        table_file_id=file.pk,
        created_at=timezone.now(),
    )
    try:
        made.sealed_table = seal_table(made, Table(name=name, columns=list(columns)))
        with transaction.atomic():
            publish(file)
            made.save(force_insert=True)
            record(
                EventType.SHEET_CREATED,
                made,
                made.actor,
                rows=count,
                columns=len(columns),
                bytes=file.bytes,
                declared=declared_words(declared),
            )
    except BaseException:
        abandon(file)
        raise
    return made


def get_sheet(project: Project, sheet_id: str) -> Sheet:
    """A sheet of the project, with its batch. Raises NotFound. One query, however many rows."""
    found = Sheet.objects.select_related("project", "batch").filter(project=project, pk=sheet_id)
    sheet = found.first()
    if sheet is None:
        raise NotFound(f"No such sheet: {sheet_id[:80]!r}.", param="id")
    return sheet


def list_sheets(project: Project, *, limit: int, after: str = "") -> Page:
    """The project's sheets, the newest first, those behind the sheet `after`."""
    rows = Sheet.objects.select_related("project", "batch").filter(project=project)
    if after:
        last = get_sheet(project, after)
        rows = rows.filter(behind(last.created_at, last.pk, newest_first=True))
    found = tuple(rows.order_by("-created_at", "-id")[: limit + 1])
    return Page(found[:limit], len(found) > limit)


def configure(by: User, sheet: Sheet, given: object) -> Setup:
    """Say what is to be done with the rows. An estimate that was made before is dropped.

    Raises InvalidRequest; SheetState once rows were answered: their answers would no longer be
    those to this prompt.
    """
    _require_maker(by, sheet)
    opened = open_sheet(sheet)
    setup = read_setup(given, opened.table.columns, sheet.rows)
    require_model(
        Judge(snapshot_now(), principal_of(sheet), setup.endpoint, sheet.declared), setup.model
    )
    changed = Sheet.objects.filter(
        pk=sheet.pk, status__in=[SheetStatus.DRAFT, SheetStatus.READY], answers_file_id="", runs=0
    ).update(
        sealed_setup=seal_setup(sheet, setup),
        model=setup.model,
        examples=len(setup.examples.rows) if setup.examples else 0,
        status=SheetStatus.DRAFT,
        reason="",
        estimate=None,
        estimated=0,
        revision="",
    )
    if not changed:
        raise SheetState("Rows were sent with the setup that it has. Upload the table again.")
    sheet.refresh_from_db()
    return setup


def begin_estimate(by: User, sheet: Sheet) -> Sheet:
    """Have a worker decide about every row that is left, without sending. Raises SheetState."""
    _require_maker(by, sheet)
    if sheet.sealed_setup is None:
        raise SheetState("Say what is to be done with the rows first.", code="no_setup")
    with transaction.atomic():
        changed = Sheet.objects.filter(
            pk=sheet.pk,
            status__in=[SheetStatus.DRAFT, SheetStatus.READY, SheetStatus.PAUSED],
        ).update(status=SheetStatus.ESTIMATING, estimated=0, estimate=None, reason="")
        if not changed:
            raise SheetState(f"A batch with the status `{sheet.status}` is not estimated.")
        wake_soon(sheet.pk)
    sheet.refresh_from_db()
    return sheet


def delete_sheet(by: User, sheet: Sheet) -> None:
    """Delete it with its table and answers. Raises SheetState while it runs, UnderLegalHold."""
    _require_maker(by, sheet)
    refuse_held(project=sheet.project.slug, people=[sheet.actor])
    _delete(sheet, actor=actor_name(by), reason="asked")


def forget_old_sheets(now: datetime) -> int:
    """Delete tables that are older than the rule for `sheets`, counted from the end of their last
    run, but for what runs and what legal holds keep. Idempotent. Returns how many."""
    before = too_old(Kind.SHEETS, now)
    if before is None:
        return 0
    holds = lasting()
    old = Sheet.objects.filter(created_at__lte=before).exclude(ended_at__gt=before)
    old = old.exclude(Q(project__slug__in=holds.projects) | Q(actor__in=holds.people))
    busy = [*UNDER_WAY, SheetStatus.ESTIMATING]
    gone = 0
    for sheet in old.exclude(status__in=busy).select_related("project"):
        try:
            _delete(sheet, actor=RETENTION, reason="expired")
        except SheetState:
            continue  # somebody has just begun to run it
        gone += 1
    return gone


def _delete(sheet: Sheet, *, actor: str, reason: str) -> None:
    with transaction.atomic():
        gone = Sheet.objects.filter(pk=sheet.pk).exclude(status__in=UNDER_WAY)
        record(EventType.SHEET_DELETED, sheet, actor, rows=sheet.rows, reason=reason)
        if not gone.delete()[0]:
            raise SheetState("It runs: pause or cancel it first.")
    ids = [each for each in (sheet.table_file_id, sheet.answers_file_id) if each]
    for file in StoredFile.objects.filter(pk__in=ids).select_related("project"):
        discard_file(file, actor=actor, reason=reason)


def erase_sheets(actors: Iterable[str]) -> int:
    """Remove all sheets that these persons made. Returns how many.

    Call it before their batches and files are erased.
    """
    gone = 0
    for sheet in Sheet.objects.filter(actor__in=list(actors)).select_related("project"):
        with transaction.atomic():
            if sheet.status in UNDER_WAY:
                let_go(sheet.table_file_id)
            record(EventType.SHEET_DELETED, sheet, SYSTEM, rows=sheet.rows, reason="person_erased")
            Sheet.objects.filter(pk=sheet.pk).delete()
        gone += 1
    return gone


def _require_maker(by: User, sheet: Sheet) -> None:
    require(by, sheet.project, Role.MEMBER)
    if actor_name(by) != sheet.actor:
        raise PermissionDenied("Only whoever made this batch changes it.")


def _declared(project: Project, words: str) -> str:
    """What is declared, normalised. Raises InvalidRequest."""
    if not words.strip():
        return ""
    view = snapshot_now().projects.get(project.slug)
    if view is None:
        raise FailClosed("This project's policy could not be read.", param="policy")
    label = read_declaration(words, view.policy.taxonomy)
    return ", ".join([label.sensitivity.word, *sorted(label.categories)])


__all__ = [
    "Page",
    "SheetRefused",
    "begin_estimate",
    "configure",
    "create_sheet",
    "delete_sheet",
    "get_sheet",
    "list_sheets",
]
