"""What Celery wakes: a batch's next step, and a look at all batches every few seconds."""

from celery import signals
from django.utils import timezone
from kombu.exceptions import OperationalError

from gateway.batches.claims import ClaimLost
from gateway.batches.finalizing import finalize
from gateway.batches.liveness import is_gone
from gateway.batches.models import ACTIVE, Batch, Status
from gateway.batches.retention import forget_old_rows
from gateway.batches.services import expire
from gateway.batches.validating import validate
from gateway.batches.waking import ADVANCE, wake_now
from gateway.batches.worker import WorkerLoop, worker_loop
from gateway.celery import app

SWEEP = "batches.sweep"


@app.task(name=ADVANCE)
def advance(batch_id: str) -> None:
    """Begin the batch's next steps, whichever they are. Idempotent."""
    loop = worker_loop()
    loop.steps.begin(batch_id, lambda: _advance(loop, batch_id))


def _advance(loop: WorkerLoop, batch_id: str) -> None:
    status = _status(batch_id)
    try:
        if status == Status.VALIDATING:
            validate(batch_id, process=loop.presence.name)
            status = _status(batch_id)
        if status == Status.IN_PROGRESS:
            loop.wake(batch_id)
        elif status in {Status.CANCELLING, Status.FINALIZING}:
            finalize(batch_id, process=loop.presence.name)
    except ClaimLost:
        return  # cancelled meanwhile, or another process is at it: the sweep sees what is left


@app.task(name=SWEEP)
def sweep() -> None:
    """End batches whose window is over, and wake whatever nobody works on. Idempotent."""
    now = timezone.now()
    expire(now)
    for batch_id, driver, until in Batch.objects.filter(status__in=ACTIVE).values_list(
        "pk", "driver", "driver_until"
    ):
        held = bool(driver) and until is not None and until > now
        if not held or is_gone(driver.partition("/")[0]):
            wake_now(batch_id)


@app.task(name="batches.forget_rows")
def forget_rows() -> None:
    """Delete the rows of batches that ended long ago; the batches stay. Idempotent."""
    forget_old_rows(timezone.now())


def _status(batch_id: str) -> str | None:
    return Batch.objects.filter(pk=batch_id).values_list("status", flat=True).first()


def _look_at_once(**_: object) -> None:
    """A worker that starts takes up what one before it left, without waiting for the next look."""
    try:
        app.send_task(SWEEP, retry=False)
    except OperationalError:
        return  # the periodic one comes in seconds


signals.worker_ready.connect(_look_at_once)
