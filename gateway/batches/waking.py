"""Telling a worker that a batch has something to do.

Only a hint: when the broker is away, the periodic sweep finds the batch in the database.
"""

import logging

from django.db import transaction
from kombu.exceptions import OperationalError

from gateway.celery import app

log = logging.getLogger(__name__)

ADVANCE = "batches.advance"


def wake_soon(batch_id: str) -> None:
    """Have a worker advance the batch once the running transaction is committed."""
    transaction.on_commit(lambda: wake_now(batch_id))


def wake_now(batch_id: str) -> None:
    """Have a worker advance the batch. Never raises for a broker that is away."""
    try:
        app.send_task(ADVANCE, args=[batch_id], retry=False)
    except OperationalError as error:
        log.warning(
            "batch %s waits for the next sweep: the broker is away (%s)",
            batch_id,
            type(error).__name__,
        )
