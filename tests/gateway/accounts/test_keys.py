"""API keys: what is stored, who may make them, what ends them."""

import hashlib
import re
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from gateway.accounts.models import APIKey, ControlVersion, ServiceAccount, User
from gateway.accounts.roles import Role
from gateway.accounts.services import (
    create_api_key,
    create_service_account,
    revoke_api_key,
)
from gateway.audit.models import AuditEvent
from policies.engine.labels import Label, Sensitivity
from tests.support.world import SETUP, person, project_with

pytestmark = pytest.mark.django_db


def test_the_text_of_a_key_has_its_prefix_and_is_not_stored() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    made = create_api_key(by=people["ada"], project=project, name="laptop", owner=people["ada"])

    assert re.fullmatch(r"sk-sluice-[a-z0-9]{8}-[A-Za-z0-9_-]{32,}", made.text)
    row = APIKey.objects.get()
    assert made.text.startswith(row.prefix + "-")
    assert row.digest == hashlib.sha256(made.text.encode()).hexdigest()
    secret = made.text.removeprefix(row.prefix)
    assert not any(secret in str(value) for value in vars(row).values())
    event = AuditEvent.objects.get(type="key.created")
    assert secret not in event.body
    assert event.actor == f"user:{people['ada'].pk}"
    assert event.project == "a"


def test_the_representation_of_a_new_key_does_not_show_its_text() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    made = create_api_key(by=people["ada"], project=project, name="laptop", owner=people["ada"])
    assert made.text not in repr(made)


@pytest.mark.parametrize(
    ("role", "for_whom", "allowed"),
    [
        (Role.MEMBER, "self", True),
        (Role.MEMBER, "other", False),
        (Role.MEMBER, "service", False),
        (Role.EDITOR, "self", True),
        (Role.EDITOR, "other", False),
        (Role.EDITOR, "service", True),
        (Role.OWNER, "other", False),
        (Role.OWNER, "service", True),
        (Role.AUDITOR, "self", False),
        (Role.AUDITOR, "other", False),
    ],
)
def test_people_make_keys_for_themselves_and_editors_for_service_accounts(
    role: Role, for_whom: str, allowed: bool
) -> None:
    project, people = project_with("a", ada=role, bob=Role.MEMBER)
    account = create_service_account(by=SETUP, project=project, name="robot")
    owners: dict[str, User | ServiceAccount] = {
        "self": people["ada"],
        "other": people["bob"],
        "service": account,
    }
    owner = owners[for_whom]
    try:
        create_api_key(by=people["ada"], project=project, name="k", owner=owner)
    except (PermissionDenied, ValidationError):
        assert not allowed
    else:
        assert allowed


def test_nobody_outside_of_a_project_gets_a_key_for_it() -> None:
    project, _ = project_with("a")
    stranger = person("eve@elsewhere.example")
    with pytest.raises(ValidationError, match="member"):
        create_api_key(by=SETUP, project=project, name="k", owner=stranger)
    assert not APIKey.objects.exists()


def test_the_admin_scope_is_given_by_the_person_whom_the_key_acts_for_alone() -> None:
    project, people = project_with("a", ada=Role.EDITOR, bob=Role.OWNER)
    account = create_service_account(
        by=people["bob"], project=project, name="robot", on_behalf_of=people["bob"]
    )
    with pytest.raises(PermissionDenied):
        create_api_key(by=people["ada"], project=project, name="k", owner=account, scopes={"admin"})
    create_api_key(by=people["bob"], project=project, name="k", owner=account, scopes={"admin"})


def test_a_service_account_of_another_project_gets_no_key() -> None:
    project, _ = project_with("a")
    other, _ = project_with("b")
    account = create_service_account(by=SETUP, project=other, name="robot")
    with pytest.raises(ValidationError):
        create_api_key(by=SETUP, project=project, name="k", owner=account)


def test_a_scope_that_does_not_exist_is_refused_by_its_name() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    with pytest.raises(ValidationError, match=r"chat\.completion'"):
        create_api_key(
            by=people["ada"],
            project=project,
            name="k",
            owner=people["ada"],
            scopes={"chat.completion"},
        )


def test_a_key_cannot_expire_in_the_past() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    with pytest.raises(ValidationError, match="past"):
        create_api_key(
            by=SETUP,
            project=project,
            name="k",
            owner=people["ada"],
            expires_at=timezone.now() - timedelta(seconds=1),
        )


def test_revoking_is_recorded_once_and_moves_the_control_version() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    made = create_api_key(
        by=people["ada"],
        project=project,
        name="k",
        owner=people["ada"],
        floor=Label(Sensitivity.CONFIDENTIAL, frozenset({"legal"})),
    )
    before = ControlVersion.objects.get().version
    revoke_api_key(by=people["ada"], key=made.key)
    after = ControlVersion.objects.get().version
    revoke_api_key(by=people["ada"], key=made.key)

    assert made.key.revoked_at is not None
    assert after > before
    assert ControlVersion.objects.get().version == after
    assert AuditEvent.objects.filter(type="key.revoked").count() == 1


def test_a_member_does_not_revoke_another_members_key() -> None:
    project, people = project_with("a", ada=Role.MEMBER, bob=Role.MEMBER)
    made = create_api_key(by=SETUP, project=project, name="k", owner=people["ada"])
    with pytest.raises(PermissionDenied):
        revoke_api_key(by=people["bob"], key=made.key)
    assert APIKey.objects.get().revoked_at is None


def test_a_former_member_may_still_revoke_their_own_key() -> None:
    project, people = project_with("a", ada=Role.MEMBER)
    made = create_api_key(by=SETUP, project=project, name="k", owner=people["ada"])
    project.memberships.all().delete()
    revoke_api_key(by=people["ada"], key=made.key)
    assert made.key.revoked_at is not None
