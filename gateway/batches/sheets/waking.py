"""Telling a worker that a sheet has something to do. A hint: the sweep finds what it missed."""

import logging

from django.db import transaction
from kombu.exceptions import OperationalError

from gateway.celery import app

log = logging.getLogger(__name__)

ADVANCE = "sheets.advance"


def wake_soon(sheet_id: str) -> None:
    """Have a worker look at the sheet once the running transaction is committed."""
    transaction.on_commit(lambda: wake_now(sheet_id))


def wake_now(sheet_id: str) -> None:
    """Have a worker look at it. Never raises for a broker that is away."""
    try:
        app.send_task(ADVANCE, args=[sheet_id], retry=False)
    except OperationalError as error:
        log.warning(
            "sheet %s waits for the next sweep: the broker is away (%s)",
            sheet_id,
            type(error).__name__,
        )
