"""Periodic work on usage and budgets. Each task calls one service or two and is idempotent."""

from django.utils import timezone

from gateway.celery import app
from gateway.usage.retention import forget_old_usage
from gateway.usage.services.alerts import find_reached
from gateway.usage.services.telling import tell


@app.task(name="usage.look_at_budgets")
def look_at_budgets() -> None:
    """Record which budgets reached a part of their amount, and tell whoever asked to know."""
    find_reached()
    tell()


@app.task(name="usage.forget_old")
def forget_old() -> None:
    """Delete usage records that the rule lets go. Idempotent."""
    forget_old_usage(timezone.now())
