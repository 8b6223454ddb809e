"""Another key-encryption key: everything sealed moves, nothing stops, nothing is forgotten."""

import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command
from pytest_django import Settings

from gateway.accounts.masking_secrets import open_masking_secret
from gateway.accounts.models import Project
from gateway.audit.models import AuditEvent
from gateway.deployments.credentials import CredentialUnreadable, decrypt
from gateway.deployments.models import Deployment
from gateway.files.keys import project_key
from gateway.files.models import ProjectKey
from gateway.key_encryption import keys_text
from gateway.operations.sealing_anew import SETTLED_AFTER_S, unreadable_values
from gateway.snapshot.build import Builder
from tests.support.world import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def key_file(settings: Settings, tmp_path: Path) -> Path:
    place = tmp_path / "kek.key"
    place.write_text(Fernet.generate_key().decode())
    settings.KEY_ENCRYPTION_KEY = place
    return place


@pytest.fixture
def world(key_file: Path) -> World:
    return make_world()


def let_a_minute_pass(place: Path) -> None:
    then = place.stat().st_mtime - SETTLED_AFTER_S - 1
    os.utime(place, (then, then))


def test_everything_sealed_moves_to_the_new_key_and_the_old_one_can_go(
    world: World, key_file: Path
) -> None:
    old = key_file.read_text()
    file_key = project_key(world.project)
    masking = open_masking_secret(world.project.masking_secret)
    call_command("rotate_keys")
    new, kept = key_file.read_text().split()
    assert kept == old != new
    let_a_minute_pass(key_file)
    call_command("rotate_keys", "--forget-old")
    assert key_file.read_text().split() == [new]
    assert key_file.stat().st_mode & 0o777 == 0o600

    world.project.refresh_from_db()
    assert project_key(world.project) == file_key
    assert open_masking_secret(world.project.masking_secret) == masking
    assert Builder().build().destinations["claude"].credential == "vendor-secret-1"
    forgotten = [
        event.details["forgotten"]
        for event in AuditEvent.objects.filter(type="encryption_key.rotated").order_by("seq")
    ]
    assert forgotten == [False, True]


def test_both_keys_are_accepted_until_the_old_one_is_forgotten(
    world: World, key_file: Path
) -> None:
    sealed_before = Deployment.objects.get(name="claude").credential
    call_command("rotate_keys")
    assert decrypt(sealed_before) == "vendor-secret-1"
    let_a_minute_pass(key_file)
    call_command("rotate_keys", "--forget-old")
    with pytest.raises(CredentialUnreadable):
        decrypt(sealed_before)


def test_what_an_old_process_sealed_meanwhile_moves_before_its_key_is_forgotten(
    world: World, key_file: Path
) -> None:
    old = Fernet(key_file.read_text().encode())
    call_command("rotate_keys")
    late = old.encrypt(b"late").decode()
    Deployment.objects.filter(name="claude").update(credential=late)
    let_a_minute_pass(key_file)
    call_command("rotate_keys", "--forget-old")
    assert decrypt(Deployment.objects.get(name="claude").credential) == "late"


def test_an_old_key_is_not_forgotten_within_a_minute(world: World, key_file: Path) -> None:
    call_command("rotate_keys")
    before = keys_text()
    with pytest.raises(CommandError, match="wait until 60 s"):
        call_command("rotate_keys", "--forget-old")
    assert keys_text() == before


def test_an_interrupted_rotation_goes_on_without_a_third_key(
    world: World, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("rotate_keys")
    capsys.readouterr()
    call_command("rotate_keys")
    assert len(key_file.read_text().split()) == 2
    assert "0 secrets sealed anew" in capsys.readouterr().out


def test_keys_from_a_variable_are_replaced_by_whoever_sets_it(
    settings: Settings, world: World
) -> None:
    old = keys_text()
    settings.KEY_ENCRYPTION_KEY = old
    with pytest.raises(CommandError, match="NEW OLD"):
        call_command("rotate_keys")
    new = Fernet.generate_key().decode()
    settings.KEY_ENCRYPTION_KEY = f"{new} {old}"
    call_command("rotate_keys")
    settings.KEY_ENCRYPTION_KEY = new
    assert unreadable_values() == {}
    assert decrypt(Deployment.objects.get(name="claude").credential) == "vendor-secret-1"


def test_a_file_that_cannot_be_replaced_is_named_and_stays(
    settings: Settings, tmp_path: Path
) -> None:
    place = tmp_path / ("k" * 250)  # its replacement's name would be too long for any system
    place.write_text(Fernet.generate_key().decode())
    settings.KEY_ENCRYPTION_KEY = place
    before = place.read_text()
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("rotate_keys")
    assert place.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


def test_what_no_key_opens_is_counted_by_its_place_and_left_alone(
    world: World, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    Deployment.objects.filter(name="claude").update(credential=lost)
    call_command("rotate_keys")
    assert "1 in deployments_deployment.credential" in capsys.readouterr().err
    assert Deployment.objects.get(name="claude").credential == lost
    assert unreadable_values() == {"deployments_deployment.credential": 1}


def test_a_page_ends_and_the_next_one_begins(
    world: World, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operations.sealing_anew.PAGE", 2)
    for number in range(5):
        project = Project.objects.create(slug=f"p{number}", name="p")
        project_key(project)
    old = Fernet(key_file.read_text().encode())
    call_command("rotate_keys")
    for row in ProjectKey.objects.all():
        with pytest.raises(InvalidToken):
            old.decrypt(row.sealed.encode())
