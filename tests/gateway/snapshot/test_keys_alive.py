"""Which keys a snapshot knows: every way in which one dies."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from gateway.accounts.models import APIKey, Project, User
from gateway.accounts.roles import Role
from gateway.accounts.services import (
    add_member,
    change_project,
    create_api_key,
    create_service_account,
    deactivate_service_account,
    deactivate_user,
    reactivate_user,
    remove_member,
    revoke_api_key,
    set_group,
)
from gateway.snapshot.keys import live_keys
from policies.engine.labels import Label, Sensitivity
from tests.support.world import SETUP, person, project_with

pytestmark = pytest.mark.django_db


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_a_live_key_carries_everything_that_the_path_needs() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    set_group(by=SETUP, slug="legal-team", members=[people["ada"]])
    expires_at = timezone.now() + timedelta(days=1)
    made = create_api_key(
        by=people["ada"],
        project=project,
        name="k",
        owner=people["ada"],
        scopes={"embeddings"},
        floor=Label(Sensitivity.CONFIDENTIAL, frozenset({"legal"})),
        requests_per_minute=30,
        expires_at=expires_at,
    )
    (principal,) = live_keys(timezone.now()).values()
    assert live_keys(timezone.now())[digest(made.text)] == principal
    assert principal.actor == f"user:{people['ada'].pk}"
    assert principal.project == "a"
    assert principal.key_prefix == made.key.prefix
    assert principal.groups == {"legal-team"}
    assert principal.scopes == {"embeddings"}
    assert principal.floor == Label(Sensitivity.CONFIDENTIAL, frozenset({"legal"}))
    assert principal.requests_per_minute == 30
    assert principal.expires_at == expires_at.timestamp()


def test_a_service_account_acts_on_behalf_of_its_person_with_that_persons_groups() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    set_group(by=SETUP, slug="legal-team", members=[people["ada"]])
    account = create_service_account(
        by=SETUP, project=project, name="robot", on_behalf_of=people["ada"]
    )
    create_api_key(by=SETUP, project=project, name="k", owner=account)
    (principal,) = live_keys(timezone.now()).values()
    assert principal.actor == f"service_account:{account.pk}"
    assert principal.on_behalf_of == f"user:{people['ada'].pk}"
    assert principal.groups == {"legal-team"}


Ending = Callable[[Project, User, APIKey], object]
ENDINGS: dict[str, Ending] = {
    "revoked": lambda project, user, key: revoke_api_key(by=SETUP, key=key),
    "owner deactivated": lambda project, user, key: deactivate_user(by=SETUP, user=user),
    "owner removed": lambda project, user, key: remove_member(by=SETUP, project=project, user=user),
    "owner became an auditor": lambda project, user, key: add_member(
        by=SETUP, project=project, user=user, role=Role.AUDITOR
    ),
    "project archived": lambda project, user, key: change_project(
        by=SETUP, project=project, archived=True
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("owner", ["person", "service account on behalf of the person"])
def test_a_key_dies_when(ending: str, owner: str) -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    bystander, others = project_with("b", bob=Role.MEMBER)
    other = create_api_key(by=SETUP, project=bystander, name="k", owner=others["bob"])
    ada = people["ada"]
    account = create_service_account(by=SETUP, project=project, name="robot", on_behalf_of=ada)
    made = create_api_key(
        by=SETUP, project=project, name="k", owner=ada if owner == "person" else account
    )
    assert digest(made.text) in live_keys(timezone.now())

    ENDINGS[ending](project, ada, made.key)

    assert live_keys(timezone.now()).keys() == {digest(other.text)}


def test_a_service_accounts_key_dies_with_the_account_and_needs_no_person() -> None:
    project, _ = project_with("a")
    account = create_service_account(by=SETUP, project=project, name="robot")
    made = create_api_key(by=SETUP, project=project, name="k", owner=account)
    assert digest(made.text) in live_keys(timezone.now())
    deactivate_service_account(by=SETUP, account=account)
    assert not live_keys(timezone.now())


def test_a_key_expires_at_its_time() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    expires_at = timezone.now() + timedelta(hours=1)
    create_api_key(by=SETUP, project=project, name="k", owner=people["ada"], expires_at=expires_at)
    assert live_keys(expires_at - timedelta(seconds=1))
    assert not live_keys(expires_at)


def test_a_revoked_key_stays_dead_when_its_owner_comes_back() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    made = create_api_key(by=SETUP, project=project, name="k", owner=people["ada"])
    person("admin@sluice.example")
    revoke_api_key(by=SETUP, key=made.key)
    deactivate_user(by=SETUP, user=people["ada"])
    reactivate_user(by=SETUP, user=people["ada"])
    assert not live_keys(timezone.now())
