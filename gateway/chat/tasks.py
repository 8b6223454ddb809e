"""Periodic work on conversations."""

from django.utils import timezone

from gateway.celery import app
from gateway.chat.attachments import forget_unsent
from gateway.chat.conversations import expire, forget_old
from gateway.chat.indexing import index_missing
from gateway.chat.search import forget_deleted


@app.task(name="chat.sweep")
def sweep_conversations() -> None:
    """Delete temporary conversations whose time is over, and files nobody sent; index what is not
    in the index yet. Idempotent."""
    expire(timezone.now())
    index_missing()
    forget_deleted()
    forget_unsent(timezone.now())


@app.task(name="chat.forget_old")
def forget_old_conversations() -> None:
    """Delete conversations that the rule lets go. Idempotent."""
    forget_old(timezone.now())
    forget_deleted()
