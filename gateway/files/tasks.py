"""Periodic work on stored files."""

from django.utils import timezone

from gateway.celery import app
from gateway.files.services import sweep


@app.task(name="files.sweep")
def sweep_files() -> None:
    """Delete expired files for real. Idempotent."""
    sweep(timezone.now())
