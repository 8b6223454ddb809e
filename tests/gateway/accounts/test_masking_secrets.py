"""A project's masking secret: its own, sealed, and a key of its own for every vendor."""

import re

import pytest
from django.core.management import call_command

from gateway.accounts.masking_secrets import (
    MaskingSecretUnreadable,
    masking_key,
    new_masking_secret,
    open_masking_secret,
)
from gateway.accounts.models import APIKey, Project
from gateway.accounts.services import create_project
from gateway.key_encryption import seal
from gateway.protocol.restores import Restores
from gateway.snapshot.build import Builder
from tests.support.world import SETUP, make_world


def test_two_secrets_differ_and_none_is_stored_in_the_clear() -> None:
    sealed = new_masking_secret()
    assert open_masking_secret(sealed) != open_masking_secret(new_masking_secret())
    assert open_masking_secret(sealed) not in sealed.encode()


@pytest.mark.parametrize("sealed", ["", "nonsense", "gAAAAAB"])
def test_what_cannot_be_opened_is_no_secret(sealed: str) -> None:
    with pytest.raises(MaskingSecretUnreadable):
        open_masking_secret(sealed)


def test_a_secret_of_another_length_is_refused() -> None:
    short = seal(b"short")
    with pytest.raises(MaskingSecretUnreadable):
        open_masking_secret(short)


def test_vendors_have_keys_of_their_own_and_one_vendor_has_one() -> None:
    secret = bytes(32)
    keys = {
        masking_key(secret, deployment="claude", vendor="acme"),
        masking_key(secret, deployment="claude", vendor="other"),
        masking_key(secret, deployment="acme", vendor=None),
        masking_key(secret, deployment="llama", vendor=None),
        masking_key(bytes([1]) * 32, deployment="claude", vendor="acme"),
    }
    assert len(keys) == 5
    assert masking_key(secret, deployment="a", vendor="Acme ") in keys
    assert all(len(key) == 32 for key in keys)


@pytest.mark.django_db
def test_a_project_gets_a_secret_that_the_snapshot_alone_opens() -> None:
    world = make_world()
    other = create_project(by=SETUP, slug="other")
    assert world.project.masking_secret != other.masking_secret
    view = Builder().build().projects["research"]
    assert set(view.masking_keys) == {"llama", "claude"}
    assert str(view.masking_keys["claude"]) not in repr(view)


@pytest.mark.django_db
def test_a_project_whose_secret_cannot_be_read_only_loses_its_masks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = make_world()
    Project.objects.filter(pk=world.project.pk).update(masking_secret="lost")
    view = Builder().build().projects["research"]
    assert view.masking_keys == {}
    assert view.models
    assert "research cannot mask" in caplog.text
    assert "lost" not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("restores", list(Restores))
def test_a_key_says_where_it_restores(
    restores: Restores, capsys: pytest.CaptureFixture[str]
) -> None:
    make_world()
    call_command(
        *("key", "create", "k", "--project", "research", "--service", "s"),
        *("--restores", restores.value),
    )
    assert re.match("sk-sluice-", capsys.readouterr().out)
    (principal,) = Builder().build().keys.values()
    assert principal.restores is restores


@pytest.mark.django_db
def test_a_word_of_a_later_version_restores_nothing() -> None:
    make_world()
    call_command("key", "create", "k", "--project", "research", "--service", "s")
    APIKey.objects.update(restores="sometimes")
    (principal,) = Builder().build().keys.values()
    assert principal.restores is Restores.NOTHING
