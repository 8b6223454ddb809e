"""Replacing a vendor's credential from standard input or a variable, never an argument."""

import io

import pytest
from django.core.management import CommandError, call_command

from gateway.audit.models import AuditEvent
from gateway.deployments.credentials import decrypt
from tests.support.world import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def test_it_comes_from_standard_input(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("vendor-secret-2\n"))
    call_command("deployments", "credential", "claude")
    before = world.cloud.facts()
    world.cloud.refresh_from_db()
    assert decrypt(world.cloud.credential) == "vendor-secret-2"
    assert world.cloud.facts() == before
    event = AuditEvent.objects.latest("seq")
    assert event.type == "credential.changed"
    assert "vendor-secret-2" not in event.body


def test_it_comes_from_a_variable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_CREDENTIAL", "vendor-secret-3")
    call_command("deployments", "credential", "claude", "--from-env", "ACME_CREDENTIAL")
    world.cloud.refresh_from_db()
    assert decrypt(world.cloud.credential) == "vendor-secret-3"
    assert world.cloud.credential_source == "env:ACME_CREDENTIAL"


@pytest.mark.parametrize("name", ["NOTHING_SET", "SLUICE_SECRET_KEY", "DATABASE_PASSWORD"])
def test_no_credential_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SLUICE_SECRET_KEY", "of-sluice-itself")
    monkeypatch.setenv("DATABASE_PASSWORD", "of-sluice-itself")
    with pytest.raises(CommandError, match="no credential"):
        call_command("deployments", "credential", "claude", "--from-env", name)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(CommandError, match="no credential"):
        call_command("deployments", "credential", "claude")
    with pytest.raises(CommandError, match="no deployment nowhere"):
        call_command("deployments", "credential", "nowhere")
    world.cloud.refresh_from_db()
    assert decrypt(world.cloud.credential) == "vendor-secret-1"
