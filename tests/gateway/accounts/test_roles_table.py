"""What the page of roles says is what the services do: each act, tried by each role."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from frontend.people.words import ACTS
from gateway.accounts.acting import System
from gateway.accounts.limits import Limits
from gateway.accounts.models import Project, User
from gateway.accounts.roles import (
    IN_ORGANISATION,
    IN_PROJECT,
    Act,
    OrganisationRole,
    Role,
    may_by_role,
)
from gateway.accounts.services import (
    add_member,
    change_organisation,
    change_project,
    change_user_role,
    create_api_key,
    create_project,
    create_service_account,
    evidence,
    invite,
    revoke_api_key,
    set_group,
    set_limits,
)
from gateway.accounts.services.second_person import is_second_person
from gateway.deployments.services import create_deployment
from gateway.deployments.services.egress import stop_egress
from policies.engine.labels import Label, Sensitivity
from policies.services import drafts
from tests.support.world import SETUP, local_spec, person, project_with

pytestmark = pytest.mark.django_db

OTHER = "other@research.example"


def _agree(by: User, project: Project) -> None:
    if not is_second_person(System("test"), by):
        raise PermissionDenied


def _audit(by: User, project: Project) -> None:
    if project not in evidence.audited_projects(by):
        raise PermissionDenied


def _draft(by: User, project: Project | None) -> None:
    kind = "project-policy" if project is not None else "organisation-policy"
    drafts.save_draft(by=by, project=project, document={"kind": kind}, version=0, base=None)


def _other() -> User:
    return User.objects.get(email=OTHER)


TRIES: dict[Act, Callable[[User, Project], Any]] = {
    Act.USE_MODELS: lambda by, project: create_api_key(
        by=SETUP, project=project, name="k", owner=by
    ),
    Act.MAKE_OWN_KEYS: lambda by, project: create_api_key(
        by=by, project=project, name="k", owner=by
    ),
    Act.EDIT_POLICY: _draft,
    Act.KEEP_SERVICE_ACCOUNTS: lambda by, project: create_service_account(
        by=by, project=project, name="robot"
    ),
    Act.REVOKE_KEYS: lambda by, project: revoke_api_key(
        by=by, key=create_api_key(by=SETUP, project=project, name="k", owner=_other()).key
    ),
    Act.CHANGE_MEMBERS: lambda by, project: add_member(
        by=by, project=project, user=_other(), role=Role.EDITOR
    ),
    Act.INVITE_MEMBERS: lambda by, project: invite(by=by, email="new@x.example", project=project),
    Act.CHANGE_PROJECT: lambda by, project: change_project(by=by, project=project, name="New"),
    Act.READ_AUDIT: _audit,
    Act.LOWER_FLOOR: lambda by, project: change_project(
        by=by, project=project, floor=Label(Sensitivity.PUBLIC)
    ),
    Act.CREATE_PROJECTS: lambda by, _: create_project(by=by, slug="new"),
    Act.SET_LIMITS: lambda by, project: set_limits(
        by=by, project=project, limits=Limits(batch_rows=7)
    ),
    Act.CHANGE_PEOPLE: lambda by, _: change_user_role(
        by=by, user=_other(), role=OrganisationRole.AUDITOR
    ),
    Act.INVITE_PEOPLE: lambda by, _: invite(by=by, email="new@x.example"),
    Act.CHANGE_GROUPS: lambda by, _: set_group(by=by, slug="doctors", members=[]),
    Act.CHANGE_ORGANISATION: lambda by, _: change_organisation(by=by, name="New"),
    Act.KEEP_DEPLOYMENTS: lambda by, _: create_deployment(by=by, spec=local_spec()),
    Act.EDIT_ORGANISATION_POLICY: lambda by, _: _draft(by, None),
    Act.STOP_EGRESS: lambda by, _: stop_egress(by=by, reason="test"),
    Act.AGREE: _agree,
}


@pytest.mark.parametrize("role", [*Role, *OrganisationRole])
def test_each_role_may_what_the_table_says_and_nothing_else(
    role: Role | OrganisationRole,
) -> None:
    project, _ = project_with("research", other=Role.MEMBER)
    by = person(
        "asker@x.example", role if isinstance(role, OrganisationRole) else OrganisationRole.NONE
    )
    if isinstance(role, Role):
        add_member(by=SETUP, project=project, user=by, role=role)
    found = {}
    for act in Act:
        fresh = User.objects.get(pk=by.pk)
        try:
            TRIES[act](fresh, Project.objects.get(pk=project.pk))
        except PermissionDenied:
            found[act] = False
        except ValidationError:
            # A key's owner must be a member who may use models: the service's words for "no".
            assert act in {Act.USE_MODELS, Act.MAKE_OWN_KEYS}
            found[act] = False
        else:
            found[act] = True
    assert found == {act: may_by_role(act, role) for act in Act}


def test_every_act_is_in_the_table_once_and_has_words() -> None:
    assert set(IN_PROJECT) | set(IN_ORGANISATION) == set(Act)
    assert not set(IN_PROJECT) & set(IN_ORGANISATION)
    assert set(ACTS) == set(Act)
