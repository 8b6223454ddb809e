"""Periodic work on sessions and what stands at the door."""

from collections import Counter
from datetime import timedelta
from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from gateway.accounts.entry_models import Counted, Invitation
from gateway.audit.retention import record_removal
from gateway.celery import app

# How long an address stays that was invited and never came.
INVITED_FOR: Final = timedelta(days=30)


@app.task(name="accounts.clear_expired_sessions")
def clear_expired_sessions() -> None:
    """Delete what has run out: sessions, what lists them, counted attempts, invitations (whose
    addresses are personal data: an event per project says how many).

    Idempotent; a handful of statements.
    """
    now = timezone.now()
    SessionStore.clear_expired()
    alive = Session.objects.filter(session_key=OuterRef("session_key"))
    UserSession.objects.filter(~Exists(alive)).delete()
    Counted.objects.filter(expires__lt=now).delete()
    with transaction.atomic():
        over = Invitation.objects.filter(accepted_at=None, expires_at__lt=now - INVITED_FOR)
        found = dict(over.values_list("pk", "project__slug"))
        Invitation.objects.filter(pk__in=list(found)).delete()
        counts = Counter(slug or "" for slug in found.values())
        record_removal("invitations", counts, days=INVITED_FOR.days)
