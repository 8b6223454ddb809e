"""What Celery wakes: a sheet's dry run, and taking in the run that has ended."""

from django.db.models import Q
from django.utils import timezone

from gateway.batches.models import ACTIVE
from gateway.batches.sheets.collecting import collect
from gateway.batches.sheets.estimating import estimate
from gateway.batches.sheets.models import UNDER_WAY, Sheet, SheetStatus
from gateway.batches.sheets.services import forget_old_sheets
from gateway.batches.sheets.waking import ADVANCE, wake_now
from gateway.batches.worker import worker_loop
from gateway.celery import app


@app.task(name=ADVANCE)
def advance(sheet_id: str) -> None:
    """Begin the sheet's next step, whichever it is. Idempotent."""
    loop = worker_loop()
    loop.steps.begin(sheet_id, lambda: _advance(sheet_id, loop.presence.name))


def _advance(sheet_id: str, process: str) -> None:
    estimate(sheet_id, process=process)
    collect(sheet_id, process=process)


@app.task(name="sheets.sweep")
def sweep() -> None:
    """Wake whatever is due and nobody works on. Idempotent; a query when nothing is."""
    now = timezone.now()
    due = Q(status=SheetStatus.ESTIMATING) | (
        Q(status__in=UNDER_WAY) & ~Q(batch__status__in=ACTIVE)
    )
    free = Q(worker="") | Q(worker_until__lte=now)
    for pk in Sheet.objects.filter(due, free).values_list("pk", flat=True):
        wake_now(pk)


@app.task(name="sheets.forget_old")
def forget_old() -> None:
    """Delete tables that nobody has touched for as long as the rule says. Idempotent."""
    forget_old_sheets(timezone.now())
