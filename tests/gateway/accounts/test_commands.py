"""People and keys on the command line."""

import io
from datetime import UTC, datetime

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import CommandError, call_command

from gateway.accounts.models import APIKey, ServiceAccount, User
from gateway.accounts.roles import Role
from gateway.accounts.services import digest_of
from tests.support.world import project_with

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_person_is_added_gets_a_password_and_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    run("user", "add", "ada@sluice.example", "--name", "Ada")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct-horse-battery\n"))
    run("user", "password", "ada@sluice.example")
    run("user", "role", "ada@sluice.example", "--role", "admin")
    assert User.objects.get().check_password("correct-horse-battery")
    assert run("user", "list") == "ada@sluice.example admin\n"


def test_what_is_wrong_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="nobody has"):
        run("user", "deactivate", "ada@sluice.example")
    run("user", "add", "ada@sluice.example")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="too short"):
        run("user", "password", "ada@sluice.example")
    with pytest.raises(CommandError, match="no project"):
        run("key", "create", "k", "--project", "x", "--user", "ada@sluice.example")


def test_a_key_is_made_shown_listed_and_revoked() -> None:
    project_with("a", ada=Role.MEMBER)
    text = run("key", "create", "laptop", "--project", "a", "--user", "ada@a.example").strip()
    key = APIKey.objects.get()
    assert key.digest == digest_of(text)
    assert run("key", "list", "--project", "a") == f"{key.prefix} laptop ada valid\n"
    run("key", "revoke", key.prefix, "--reason", "lost")
    assert run("key", "list", "--project", "a") == f"{key.prefix} laptop ada revoked\n"


@pytest.mark.parametrize("cut", [len("sk-sluice-abcd1234"), None])
def test_a_leaked_key_is_revoked_by_what_was_found_of_it(cut: int | None) -> None:
    project_with("a", ada=Role.MEMBER)
    text = run("key", "create", "laptop", "--project", "a", "--user", "ada@a.example").strip()
    run("key", "revoke", text[:cut])
    assert APIKey.objects.get().revoked_at is not None
    with pytest.raises(CommandError, match="no key with this prefix"):
        run("key", "revoke", "sk-sluice-")


def test_an_expired_key_is_not_listed_as_valid() -> None:
    project_with("a", ada=Role.MEMBER)
    run("key", "create", "k", "--project", "a", "--user", "ada@a.example")
    APIKey.objects.update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert run("key", "list", "--project", "a").endswith(" expired\n")


def test_a_key_of_a_service_account_makes_the_account() -> None:
    project_with("a")
    run("key", "create", "k", "--project", "a", "--service", "robot", "--floor", "confidential")
    assert ServiceAccount.objects.get().name == "robot"
    assert APIKey.objects.get().floor_sensitivity == "confidential"
    with pytest.raises(CommandError, match="unknown sensitivity"):
        run("key", "create", "k", "--project", "a", "--service", "robot", "--floor", "intern")


def test_a_command_acts_with_the_rights_of_the_person_that_is_named() -> None:
    project_with("a", ada=Role.MEMBER, bob=Role.MEMBER)
    with pytest.raises(CommandError, match="their own keys"):
        run(
            *("key", "create", "k", "--project", "a"),
            *("--user", "ada@a.example", "--by", "bob@a.example"),
        )
    assert not APIKey.objects.exists()


def test_the_last_admin_comes_in_again_without_the_telephone() -> None:
    run("user", "add", "ada@sluice.example", "--role", "admin")
    ada = User.objects.get()
    TOTP.activate(ada, generate_totp_secret())
    run("user", "forget-factor", "ada@sluice.example")
    assert not Authenticator.objects.exists()
