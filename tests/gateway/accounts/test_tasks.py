"""What has run out goes, and nothing else."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from gateway.accounts.entry_models import Counted, Invitation
from gateway.accounts.services import invite
from gateway.accounts.tasks import INVITED_FOR, clear_expired_sessions
from gateway.audit.models import AuditEvent
from tests.support.world import SETUP, person

pytestmark = pytest.mark.django_db


def test_what_has_run_out_goes_and_nothing_else() -> None:
    ada = person("ada@x.example")
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(ada)
        client.get("/account/")
    now = timezone.now()
    Session.objects.filter(session_key=clients[0].session.session_key).update(expire_date=now)
    cache.set("kept", 1, 600)
    cache.set("gone", 1, 600)
    Counted.objects.filter(cache_key__endswith="gone").update(expires=now - timedelta(seconds=9))
    old = invite(by=SETUP, email="old@x.example").invitation
    invite(by=SETUP, email="new@x.example")
    Invitation.objects.filter(pk=old.pk).update(expires_at=now - INVITED_FOR - timedelta(1))
    clear_expired_sessions()
    clear_expired_sessions()
    [left] = UserSession.objects.all()
    assert left.session_key == clients[1].session.session_key
    assert cache.get("kept") == 1
    assert Counted.objects.count() == 1
    assert [each.email for each in Invitation.objects.all()] == ["new@x.example"]
    [told] = AuditEvent.objects.filter(type="data.deleted")  # once, and without the address
    assert (told.object_id, told.details) == ("invitations", {"count": 1, "days": 30})
