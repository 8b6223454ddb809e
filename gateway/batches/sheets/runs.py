"""Running a sheet: its rows become a batch, and pausing, cancelling and retrying end or begin one.

A run is a batch of its own, so that rows are leased, sent, retried and finished exactly as all
others are. INVARIANT: a run begins under the policy that was shown: its revision goes with the
batch, which stops when another one is published.
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.audit.event_types import EventType
from gateway.batches.jsonl import URL_OF
from gateway.batches.services import Wanted, cancel_batch, create_batch
from gateway.batches.sheets.estimating import judge_of
from gateway.batches.sheets.events import record
from gateway.batches.sheets.inputs import Wish
from gateway.batches.sheets.judging import Judge
from gateway.batches.sheets.models import ENDED, UNDER_WAY, Sheet, SheetStatus
from gateway.batches.sheets.problems import SheetState
from gateway.batches.sheets.tables import open_sheet, stored
from gateway.batches.sheets.words import KIND, POLICY_CHANGED
from gateway.files.services import hold
from gateway.protocol.errors import InvalidRequest
from gateway.snapshot.keys import principal_of_member

WINDOW = "7d"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run that somebody wants: which rows, how many they are, and from which states."""

    wish: Wish
    rows: int
    statuses: Collection[str]


def run(by: User, sheet: Sheet, *, notify: bool = False) -> Sheet:
    """Send the rows that are left, as the estimate said. Raises SheetState when it does not hold
    any more, InvalidRequest when the project runs as many batches as it may."""
    if sheet.status not in {SheetStatus.READY, SheetStatus.PAUSED}:
        raise SheetState(_not_now(sheet, "run"), code="not_ready")
    wanted = _Run(
        wish=Wish(model=sheet.model),
        rows=sheet.to_ask - sheet.completed - sheet.failed,
        statuses=[SheetStatus.READY, SheetStatus.PAUSED],
    )
    return _begin(by, sheet, wanted, frozen=sheet.revision, notify=notify or sheet.notify)


def retry(by: User, sheet: Sheet, *, codes: Collection[str] = (), model: str = "") -> Sheet:
    """Send rows again that failed: those with one of `codes`, all of them without any.

    `model`: another alias for them, if the project has it; the policy decides anew about each.
    """
    if sheet.status not in {*ENDED, SheetStatus.PAUSED, SheetStatus.READY}:
        raise SheetState(_not_now(sheet, "retry"), code="not_ready")
    chosen = [rows for code, rows in sheet.failures.items() if not codes or code in codes]
    if not chosen:
        raise SheetState("No row failed for such a reason.", code="nothing_to_run")
    wanted = _Run(
        wish=Wish(model=model or sheet.model, retry=True, codes=sorted(codes)),
        rows=sum(chosen),
        statuses=[*ENDED, SheetStatus.PAUSED, SheetStatus.READY],
    )
    return _begin(by, sheet, wanted, frozen="", notify=sheet.notify)


def pause(by: User, sheet: Sheet) -> Sheet:
    """Stop taking rows; those under way are finished. Any member may. Raises SheetState."""
    return _stop(by, sheet, SheetStatus.PAUSING, [SheetStatus.RUNNING])


def cancel(by: User, sheet: Sheet) -> Sheet:
    """End it: rows that are finished stay, those under way are finished. Any member may."""
    if sheet.status in UNDER_WAY:
        return _stop(by, sheet, SheetStatus.CANCELLING, [SheetStatus.RUNNING, SheetStatus.PAUSING])
    with transaction.atomic():
        changed = (
            Sheet.objects.filter(pk=sheet.pk)
            .exclude(status__in=[*ENDED, *UNDER_WAY])
            .update(
                status=SheetStatus.CANCELLED,
                reason="asked",
                ended_at=timezone.now(),
                worker="",
                worker_until=None,
            )
        )
        if not changed:
            raise SheetState(_not_now(sheet, "cancel"))
        record(EventType.SHEET_CANCELLED, sheet, actor_name(by), reason="asked")
    sheet.refresh_from_db()
    return sheet


def _begin(by: User, sheet: Sheet, wanted: _Run, *, frozen: str, notify: bool) -> Sheet:
    if actor_name(by) != sheet.actor:
        raise PermissionDenied("Whoever made this batch runs it: its rows are sent in their name.")
    judge = judge_of(sheet, open_sheet(sheet))
    if frozen and judge.revision != frozen:
        Sheet.objects.filter(pk=sheet.pk, status__in=wanted.statuses).update(reason=POLICY_CHANGED)
        raise SheetState(
            "The policy was changed after the estimate. Estimate again to see what it means now.",
            code="policy_changed",
        )
    require_model(judge, wanted.wish.model)
    if wanted.rows <= 0:
        raise SheetState("No row is left to run.", code="nothing_to_run")
    with transaction.atomic():
        _start(sheet, judge, wanted, notify=notify)
    sheet.refresh_from_db()
    return sheet


def _start(sheet: Sheet, judge: Judge, wanted: _Run, *, notify: bool) -> None:
    batch = create_batch(
        judge.principal,
        Wanted(
            input_file_id="",  # a worker writes it
            endpoint=URL_OF[judge.endpoint],
            completion_window=WINDOW,
            metadata={"sheet": sheet.pk},
            kind=KIND,
            revision=judge.revision,
            declared=sheet.declared,
        ),
    )
    changed = Sheet.objects.filter(pk=sheet.pk, status__in=wanted.statuses).update(
        status=SheetStatus.RUNNING,
        reason="",
        batch=batch,
        wish=wanted.wish.as_data(),
        runs=sheet.runs + 1,
        revision=judge.revision,
        base_completed=sheet.completed,
        base_failed=sheet.failed - (wanted.rows if wanted.wish.retry else 0),
        notify=notify,
        started_at=sheet.started_at or timezone.now(),
        ended_at=None,
        # Whoever estimated may have died before it said that it is done.
        worker="",
        worker_until=None,
    )
    if not changed or not hold(stored(sheet.table_file_id)):
        raise SheetState("Somebody else changed this batch just now. Look at it again.")
    record(
        EventType.SHEET_STARTED,
        sheet,
        sheet.actor,
        batch=batch.pk,
        run=sheet.runs + 1,
        rows=wanted.rows,
        model=wanted.wish.model,
        revision=judge.revision,
    )


def require_model(judge: Judge, model: str) -> None:
    """Raises InvalidRequest unless the project has an alias for the endpoint."""
    view = judge.snapshot.projects.get(judge.principal.project)
    cards = view.models if view is not None else {}
    card = cards.get(model)
    if card is None or judge.endpoint not in card.endpoints:
        known = sorted(name for name, each in cards.items() if judge.endpoint in each.endpoints)
        raise InvalidRequest(
            f"This project has no model {model[:200]!r} for {judge.endpoint}. It has: "
            f"{', '.join(known) or 'none'}.",
            param="model",
            code="model_not_found",
        )


def _stop(by: User, sheet: Sheet, status: SheetStatus, statuses: Collection[str]) -> Sheet:
    with transaction.atomic():
        changed = Sheet.objects.filter(pk=sheet.pk, status__in=statuses).update(
            status=status, reason="asked"
        )
        if not changed:
            word = "pause" if status is SheetStatus.PAUSING else "cancel"
            raise SheetState(_not_now(sheet, word))
        type = (
            EventType.SHEET_PAUSED if status is SheetStatus.PAUSING else EventType.SHEET_CANCELLED
        )
        _cancel_batch(by, sheet)
        record(type, sheet, actor_name(by), reason="asked")
    sheet.refresh_from_db()
    return sheet


def _cancel_batch(by: User, sheet: Sheet) -> None:
    if sheet.batch is None:
        return
    try:
        # As whoever asks: the one who made it may be gone.
        cancel_batch(principal_of_member(by, sheet.project), sheet.batch.pk)
    except InvalidRequest as error:
        # It is ending already: collecting it says how.
        if error.code != "batch_not_cancellable":
            raise


def _not_now(sheet: Sheet, word: str) -> str:
    nexts = {
        SheetStatus.DRAFT: "Estimate it first.",
        SheetStatus.ESTIMATING: "Wait for its estimate.",
        SheetStatus.RUNNING: "It runs: pause or cancel it, or wait.",
        SheetStatus.PAUSING: "It is about to pause: wait for the rows under way.",
        SheetStatus.CANCELLING: "It is about to end: wait for the rows under way.",
        SheetStatus.PAUSED: "It is paused: resume or cancel it.",
    }
    what = nexts.get(SheetStatus(sheet.status), "It has ended.")
    return f"A batch with the status `{sheet.status}` cannot {word} now. {what}"
