"""Periodic work on budgets. Each task calls one service and is idempotent."""

from gateway.celery import app
from gateway.usage.services.alerts import find_reached


@app.task(name="usage.look_at_budgets")
def look_at_budgets() -> None:
    """Record which budgets reached a part of their amount."""
    find_reached()
