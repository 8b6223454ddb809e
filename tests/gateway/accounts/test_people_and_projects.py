"""People, projects and access: denied by default, recorded always."""

from collections.abc import Callable

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from gateway.accounts.access import NoSuchProject, get_project_for, projects_of
from gateway.accounts.changes import record_change
from gateway.accounts.models import ControlVersion, Group, Membership, Organisation, Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import (
    SecondPersonNeeded,
    add_member,
    change_organisation,
    change_project,
    change_user_role,
    create_project,
    create_service_account,
    create_user,
    deactivate_user,
    reactivate_user,
    remove_group,
    remove_member,
    set_group,
    set_password,
)
from gateway.audit.event_types import EventType
from gateway.audit.models import AuditEvent
from policies.engine.labels import Label, Sensitivity
from tests.support.world import SETUP, person, project_with

pytestmark = pytest.mark.django_db


def test_one_address_has_one_account_however_it_is_spelt() -> None:
    create_user(by=SETUP, email=" Ada@Sluice.Example ")
    assert User.objects.get().email == "ada@sluice.example"
    with pytest.raises(ValidationError, match="already"):
        create_user(by=SETUP, email="ADA@sluice.example")
    with pytest.raises(ValidationError, match="already"):
        create_user(by=SETUP, email="\uff21da@sluice.example")  # a full-width A


def test_people_log_in_with_any_spelling_of_their_address() -> None:
    user = create_user(by=SETUP, email="ada@sluice.example", password="correct-horse-battery")
    assert authenticate(username="Ada@Sluice.example", password="correct-horse-battery") == user
    deactivate_user(by=SETUP, user=user)
    assert authenticate(username="ada@sluice.example", password="correct-horse-battery") is None


def test_a_weak_password_is_refused_and_no_password_opens_nothing() -> None:
    with pytest.raises(ValidationError):
        create_user(by=SETUP, email="ada@sluice.example", password="short")
    user = create_user(by=SETUP, email="ada@sluice.example")
    assert authenticate(username=user.email, password="") is None
    with pytest.raises(ValidationError):
        set_password(by=user, user=user, password="password")


def test_nobody_but_an_admin_sets_another_persons_password() -> None:
    ada, eve = person("ada@sluice.example"), person("eve@sluice.example")
    with pytest.raises(PermissionDenied):
        set_password(by=eve, user=ada, password="correct-horse-battery")


def test_the_last_admin_stays_one() -> None:
    admin = person("ada@sluice.example", OrganisationRole.ADMIN)
    with pytest.raises(ValidationError, match="last"):
        deactivate_user(by=admin, user=admin)
    with pytest.raises(ValidationError, match="last"):
        change_user_role(by=admin, user=admin, role=OrganisationRole.NONE)
    other = person("bob@sluice.example", OrganisationRole.ADMIN)
    deactivate_user(by=other, user=admin)
    reactivate_user(by=other, user=admin)


Act = Callable[[User, User, Project], object]
ADMIN_ACTS: dict[str, Act] = {
    "create_user": lambda by, user, project: create_user(by=by, email="new@sluice.example"),
    "deactivate_user": lambda by, user, project: deactivate_user(by=by, user=user),
    "reactivate_user": lambda by, user, project: reactivate_user(by=by, user=user),
    "change_user_role": lambda by, user, project: change_user_role(
        by=by, user=by, role=OrganisationRole.ADMIN
    ),
    "create_project": lambda by, user, project: create_project(by=by, slug="new"),
    "set_group": lambda by, user, project: set_group(by=by, slug="g", members=[by]),
    "remove_group": lambda by, user, project: remove_group(
        by=by, group=Group.objects.get_or_create(slug="h")[0]
    ),
    "change_organisation": lambda by, user, project: change_organisation(by=by, name="X"),
    "lower the floor": lambda by, user, project: change_project(
        by=by, project=project, floor=Label()
    ),
    "service account on somebody's behalf": lambda by, user, project: create_service_account(
        by=by, project=project, name="robot", on_behalf_of=user
    ),
}
OWNER_ACTS: dict[str, Act] = {
    "add_member": lambda by, user, project: add_member(by=by, project=project, user=user),
    "remove_member": lambda by, user, project: remove_member(by=by, project=project, user=user),
    "change_project": lambda by, user, project: change_project(by=by, project=project, name="X"),
}


@pytest.mark.parametrize("act", ADMIN_ACTS)
@pytest.mark.parametrize("role", [Role.OWNER, Role.EDITOR, Role.MEMBER, Role.AUDITOR])
def test_only_admins_may(act: str, role: Role) -> None:
    project, people = project_with("a", ada=role, bob=Role.MEMBER)
    for organisation_role in (OrganisationRole.APPROVER, OrganisationRole.AUDITOR):
        User.objects.filter(pk=people["ada"].pk).update(organisation_role=organisation_role)
        people["ada"].refresh_from_db()
        with pytest.raises(PermissionDenied):
            ADMIN_ACTS[act](people["ada"], people["bob"], project)
    admin = person("admin@sluice.example", OrganisationRole.ADMIN)
    ADMIN_ACTS[act](admin, people["bob"], project)


@pytest.mark.parametrize("act", OWNER_ACTS)
@pytest.mark.parametrize("role", list(Role))
def test_owners_may_and_only_in_their_project(act: str, role: Role) -> None:
    project, people = project_with("a", ada=role, bob=Role.MEMBER)
    other, _ = project_with("b")
    if role is Role.OWNER:
        OWNER_ACTS[act](people["ada"], people["bob"], project)
    else:
        with pytest.raises(PermissionDenied):
            OWNER_ACTS[act](people["ada"], people["bob"], project)
    with pytest.raises(PermissionDenied):
        OWNER_ACTS[act](people["ada"], people["bob"], other)


def test_a_new_projects_floor_is_internal_and_it_has_no_member() -> None:
    admin = person("ada@sluice.example", OrganisationRole.ADMIN)
    project = create_project(by=admin, slug="a")
    assert project.floor_sensitivity == "internal"
    assert not Membership.objects.exists()
    assert list(projects_of(admin)) == []
    assert list(projects_of(admin, Role.EDITOR)) == [project]


@pytest.mark.parametrize(
    "switch",
    [
        "second_person_for_widening",
        "second_person_for_organisation_policy",
        "second_person_for_project_policies",
    ],
)
def test_it_takes_a_second_person_to_do_without_one(switch: str) -> None:
    admin = person("ada@sluice.example", OrganisationRole.ADMIN)
    other = person("bob@sluice.example", OrganisationRole.APPROVER)
    on, off = {switch: True}, {switch: False}
    change_organisation(by=admin, **on)  # type: ignore[arg-type]  # a switch by its name
    for approver in (None, admin):
        with pytest.raises(SecondPersonNeeded):
            change_organisation(by=admin, **off, approved_by=approver)  # type: ignore[arg-type]
    change_organisation(by=admin, **off, approved_by=other)  # type: ignore[arg-type]
    assert not getattr(Organisation.load(), switch)


def test_an_owner_raises_the_floor_of_their_project() -> None:
    project, people = project_with("a", ada=Role.OWNER)
    change_project(by=people["ada"], project=project, floor=Label(Sensitivity.RESTRICTED))
    assert Project.objects.get().floor_sensitivity == "restricted"


# role: the least roles that it may stand for
MAY = {
    Role.OWNER: {Role.OWNER, Role.EDITOR, Role.MEMBER, Role.AUDITOR},
    Role.EDITOR: {Role.EDITOR, Role.MEMBER},
    Role.MEMBER: {Role.MEMBER},
    Role.AUDITOR: {Role.AUDITOR},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("least", list(Role))
def test_what_a_role_opens(role: Role, least: Role) -> None:
    project, people = project_with("a", ada=role)
    allowed = least in MAY[role]
    assert list(projects_of(people["ada"], least)) == ([project] if allowed else [])
    if allowed:
        assert get_project_for(people["ada"], "a", least) == project
    else:
        with pytest.raises(PermissionDenied):
            get_project_for(people["ada"], "a", least)


def test_a_foreign_an_unknown_and_an_archived_project_look_the_same() -> None:
    project_with("foreign")
    mine, people = project_with("mine", ada=Role.OWNER)
    change_project(by=SETUP, project=mine, archived=True)
    texts = set()
    for slug in ("foreign", "unknown", "mine", ""):
        with pytest.raises(NoSuchProject) as caught:
            get_project_for(people["ada"], slug)
        texts.add(str(caught.value))
    assert len(texts) == 1


def test_a_deactivated_person_reaches_nothing() -> None:
    _, people = project_with("a", ada=Role.OWNER)
    deactivate_user(by=SETUP, user=people["ada"])
    assert not projects_of(people["ada"]).exists()
    with pytest.raises(NoSuchProject):
        get_project_for(people["ada"], "a")


def test_every_change_writes_one_event_and_moves_the_version() -> None:
    acts: list[Callable[[], object]] = [
        lambda: create_user(by=SETUP, email="ada@sluice.example"),
        lambda: create_project(by=SETUP, slug="a"),
        lambda: add_member(by=SETUP, project=Project.objects.get(), user=User.objects.get()),
        lambda: add_member(
            by=SETUP, project=Project.objects.get(), user=User.objects.get(), role=Role.EDITOR
        ),
        lambda: set_group(by=SETUP, slug="g", members=User.objects.all()),
        lambda: change_organisation(by=SETUP, name="X"),
        lambda: create_service_account(by=SETUP, project=Project.objects.get(), name="robot"),
        lambda: remove_member(by=SETUP, project=Project.objects.get(), user=User.objects.get()),
        lambda: deactivate_user(by=SETUP, user=User.objects.get()),
    ]
    for number, act in enumerate(acts, start=1):
        act()
        assert AuditEvent.objects.count() == number
        assert ControlVersion.objects.get().version == number


def test_doing_nothing_writes_nothing() -> None:
    project, people = project_with("a", ada=Role.OWNER)
    before = AuditEvent.objects.count()
    add_member(by=SETUP, project=project, user=people["ada"], role=Role.OWNER)
    change_project(by=SETUP, project=project, name=project.name)
    change_organisation(by=SETUP, name=Organisation.load().name)
    reactivate_user(by=SETUP, user=people["ada"])
    assert AuditEvent.objects.count() == before


def test_a_change_that_fails_leaves_no_event_and_no_version() -> None:
    project_with("a")
    before = (AuditEvent.objects.count(), ControlVersion.objects.get().version)
    with pytest.raises(ValidationError):
        create_project(by=SETUP, slug="a")
    assert (AuditEvent.objects.count(), ControlVersion.objects.get().version) == before


@pytest.mark.django_db(transaction=True)
def test_a_change_is_recorded_in_its_own_transaction_or_not_at_all() -> None:
    assert not transaction.get_connection().in_atomic_block
    with pytest.raises(RuntimeError, match="transaction"):
        record_change(SETUP, EventType.PROJECT_CREATED, "project", 1)
