"""Periodic work on kept content."""

import logging

from gateway.celery import app
from gateway.content import services

log = logging.getLogger(__name__)


@app.task(name="content.sweep")
def sweep_content() -> None:
    """Delete what is past its day. Idempotent."""
    gone = services.sweep()
    if gone:
        log.info("deleted the kept content of %d requests", gone)
