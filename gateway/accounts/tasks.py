"""Periodic work on people's sessions."""

from django.contrib.sessions.backends.db import SessionStore

from gateway.celery import app


@app.task(name="accounts.clear_expired_sessions")
def clear_expired_sessions() -> None:
    """Delete the sessions that have run out. Idempotent; one query."""
    SessionStore.clear_expired()
