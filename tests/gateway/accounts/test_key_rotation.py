"""A key's successor: the same rights, another text, and a while in which both work."""

import io
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from gateway.accounts.models import APIKey
from gateway.accounts.roles import Role
from gateway.accounts.services import (
    create_api_key,
    create_service_account,
    digest_of,
    revoke_api_key,
    rotate_api_key,
)
from gateway.audit.models import AuditEvent
from policies.engine.labels import Label, Sensitivity
from tests.support.world import SETUP, project_with

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def key() -> APIKey:
    project, people = project_with("a", ada=Role.MEMBER)
    return create_api_key(
        by=people["ada"],
        project=project,
        name="laptop",
        owner=people["ada"],
        scopes=["chat.completions"],
        floor=Label(Sensitivity.CONFIDENTIAL),
        requests_per_minute=7,
    ).key


def test_the_successor_has_the_same_rights_and_the_old_key_an_end(key: APIKey) -> None:
    before = timezone.now()
    made = rotate_api_key(by=SETUP, key=key, overlap=HOUR)
    old, new = APIKey.objects.get(pk=key.pk), APIKey.objects.get(pk=made.key.pk)
    assert new.digest == digest_of(made.text) != old.digest
    assert made.text.startswith(f"{new.prefix}-")
    kept = {"id", "prefix", "digest", "created_at", "last_used_at", "expires_at", "revoked_at"}
    for column in APIKey._meta.concrete_fields:
        if column.name not in kept:
            assert getattr(new, column.name) == getattr(old, column.name), column.name
    assert new.expires_at is None
    assert old.expires_at is not None
    assert before + HOUR <= old.expires_at <= timezone.now() + HOUR
    event = AuditEvent.objects.get(type="key.rotated")
    assert event.details["successor"] == new.prefix
    assert event.object_id == str(old.pk)
    assert made.text not in event.body


def test_a_key_that_expires_anyway_is_not_prolonged(key: APIKey) -> None:
    end = timezone.now() + timedelta(minutes=5)
    APIKey.objects.filter(pk=key.pk).update(expires_at=end)
    made = rotate_api_key(by=SETUP, key=key, overlap=HOUR)
    assert APIKey.objects.get(pk=key.pk).expires_at == end
    assert APIKey.objects.get(pk=made.key.pk).expires_at == end


def test_nobody_rotates_what_they_could_not_make(key: APIKey) -> None:
    _, people = project_with("b", eve=Role.OWNER)
    with pytest.raises(PermissionDenied):
        rotate_api_key(by=people["eve"], key=key, overlap=HOUR)
    bot = create_service_account(by=SETUP, project=key.project, name="bot")
    bots = create_api_key(by=SETUP, project=key.project, name="bot", owner=bot).key
    assert key.user is not None
    with pytest.raises(PermissionDenied):
        rotate_api_key(by=key.user, key=bots, overlap=HOUR)
    assert APIKey.objects.count() == 2


def test_a_revoked_key_has_no_successor(key: APIKey) -> None:
    revoke_api_key(by=SETUP, key=key)
    with pytest.raises(ValidationError, match="not valid any more"):
        rotate_api_key(by=SETUP, key=key, overlap=HOUR)
    assert APIKey.objects.count() == 1


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=91)])
def test_an_overlap_has_bounds(key: APIKey, overlap: timedelta) -> None:
    with pytest.raises(ValidationError, match="90 days"):
        rotate_api_key(by=SETUP, key=key, overlap=overlap)


def test_on_the_command_line(key: APIKey) -> None:
    out, err = io.StringIO(), io.StringIO()
    call_command("key", "rotate", key.prefix, "--overlap", "7d", stdout=out, stderr=err)
    assert APIKey.objects.filter(digest=digest_of(out.getvalue().strip())).exists()
    assert f"{key.prefix} works until" in err.getvalue()
    for wrong in ("7", "d", "-1h", "1w", ""):
        with pytest.raises(CommandError, match="not a time"):
            call_command("key", "rotate", key.prefix, f"--overlap={wrong}")
    with pytest.raises(CommandError, match="no key with this prefix"):
        call_command("key", "rotate", "sk-sluice-nothing1")
