"""Periodic work on sessions and what stands at the door."""

from datetime import timedelta
from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.utils import timezone

from gateway.accounts.entry_models import Counted, Invitation
from gateway.celery import app

# How long an address stays that was invited and never came.
INVITED_FOR: Final = timedelta(days=30)


@app.task(name="accounts.clear_expired_sessions")
def clear_expired_sessions() -> None:
    """Delete what has run out: sessions, what lists them, counted attempts, invitations.

    Idempotent; four statements.
    """
    now = timezone.now()
    SessionStore.clear_expired()
    alive = Session.objects.filter(session_key=OuterRef("session_key"))
    UserSession.objects.filter(~Exists(alive)).delete()
    Counted.objects.filter(expires__lt=now).delete()
    Invitation.objects.filter(accepted_at=None, expires_at__lt=now - INVITED_FOR).delete()
