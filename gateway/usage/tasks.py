"""Periodic work on budgets. Each task calls one service or two and is idempotent."""

from gateway.celery import app
from gateway.usage.services.alerts import find_reached
from gateway.usage.services.telling import tell


@app.task(name="usage.look_at_budgets")
def look_at_budgets() -> None:
    """Record which budgets reached a part of their amount, and tell whoever asked to know."""
    find_reached()
    tell()
