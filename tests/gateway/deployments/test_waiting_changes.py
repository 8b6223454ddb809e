"""Widening a deployment where the organisation asks for a second person: it waits, and who agrees
is somebody else."""

from dataclasses import replace
from datetime import date

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from gateway.accounts.models import Organisation, User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services.people import change_user_role
from gateway.audit.models import AuditEvent
from gateway.deployments.models import Deployment, WaitingChange
from gateway.deployments.services import change_deployment
from gateway.deployments.services.waiting import (
    approve_change,
    change_or_ask,
    create_or_ask,
    may_agree,
    reject_change,
    waiting_changes,
    withdraw_change,
)
from gateway.deployments.spec import DeploymentSpec, spec_of
from gateway.deployments.spec_data import spec_data, spec_from
from policies.engine.facts import Clearance, Evidence, Zone
from policies.engine.labels import Sensitivity
from tests.support.world import SETUP, cloud_spec, person

pytestmark = pytest.mark.django_db
WIDER = Clearance(Sensitivity.CONFIDENTIAL, frozenset({"code", "personal"}))


@pytest.fixture
def people() -> dict[str, User]:
    organisation = Organisation.load()
    organisation.second_person_for_widening = True
    organisation.save()
    return {
        "author": person("author@sluice.example", OrganisationRole.ADMIN),
        "second": person("second@sluice.example", OrganisationRole.ADMIN),
        "approver": person("approver@sluice.example", OrganisationRole.APPROVER),
        "auditor": person("auditor@sluice.example", OrganisationRole.AUDITOR),
    }


@pytest.fixture
def claude(people: dict[str, User]) -> Deployment:
    done = create_or_ask(by=SETUP, spec=replace(cloud_spec(), clearance=None))
    assert done.waiting is None
    return done.deployment


def wider(row: Deployment) -> DeploymentSpec:
    return replace(spec_of(row), clearance=WIDER)


def asked(row: Deployment, by: User) -> WaitingChange:
    done = change_or_ask(by=by, deployment=row, spec=wider(row), reason="the new contract")
    assert done.waiting is not None
    return done.waiting


def test_it_waits_and_changes_nothing_until_somebody_else_agrees(
    claude: Deployment, people: dict[str, User]
) -> None:
    change = asked(claude, people["author"])
    claude.refresh_from_db()
    assert claude.clearance_sensitivity == "public"
    assert list(waiting_changes()) == [change]
    approve_change(by=people["approver"], change=change)
    claude.refresh_from_db()
    assert claude.clearance() == WIDER
    assert not waiting_changes().exists()
    event = AuditEvent.objects.get(type="deployment.clearance_widened")
    assert event.actor == f"user:{people['author'].pk}"
    assert event.details["approved_by"] == str(people["approver"].pk)


def test_what_does_not_widen_does_not_wait(claude: Deployment, people: dict[str, User]) -> None:
    spec = replace(spec_of(claude), region="eu")
    done = change_or_ask(by=people["author"], deployment=claude, spec=spec)
    assert done.waiting is None
    assert done.deployment.region == "eu"


def test_a_new_one_begins_as_its_zone_does_and_off(people: dict[str, User]) -> None:
    done = create_or_ask(by=people["author"], spec=cloud_spec(), credential="secret-1")
    assert (done.deployment.clearance_sensitivity, done.deployment.enabled) == ("public", False)
    assert done.deployment.credential
    assert done.waiting is not None
    assert "secret-1" not in str(done.waiting.spec)
    row = approve_change(by=people["second"], change=done.waiting)
    assert (row.clearance_sensitivity, row.enabled) == ("internal", True)
    assert row.credential == done.deployment.credential


@pytest.mark.parametrize("who", ["author", "auditor"])
def test_the_author_and_who_is_no_reviewer_cannot_agree(
    claude: Deployment, people: dict[str, User], who: str
) -> None:
    change = asked(claude, people["author"])
    assert not may_agree(people[who], change)
    with pytest.raises(PermissionDenied):
        approve_change(by=people[who], change=change)
    with pytest.raises(PermissionDenied):
        reject_change(by=people[who], change=change)
    claude.refresh_from_db()
    assert claude.clearance_sensitivity == "public"


def test_a_deployment_that_was_changed_since_is_not_widened(
    claude: Deployment, people: dict[str, User]
) -> None:
    change = asked(claude, people["author"])
    moved = replace(spec_of(claude), base_url="https://elsewhere.example/v1")
    change_deployment(by=SETUP, deployment=claude, spec=moved)
    with pytest.raises(ValidationError, match="was changed since"):
        approve_change(by=people["second"], change=change)
    claude.refresh_from_db()
    assert claude.clearance_sensitivity == "public"


def test_an_author_who_is_no_admin_any_more_widens_nothing(
    claude: Deployment, people: dict[str, User]
) -> None:
    change = asked(claude, people["author"])
    change_user_role(by=SETUP, user=people["author"], role=OrganisationRole.NONE)
    with pytest.raises(PermissionDenied):
        approve_change(by=people["second"], change=change)
    claude.refresh_from_db()
    assert claude.clearance_sensitivity == "public"


def test_rejected_and_taken_back_it_waits_no_more(
    claude: Deployment, people: dict[str, User]
) -> None:
    change = asked(claude, people["author"])
    with pytest.raises(ValidationError, match="Another change"):
        change_or_ask(by=people["second"], deployment=claude, spec=wider(claude))
    reject_change(by=people["second"], change=change, note="no contract yet")
    with pytest.raises(ValidationError, match="rejected already"):
        approve_change(by=people["second"], change=change)
    again = asked(claude, people["author"])
    withdraw_change(by=people["author"], change=again)
    types = list(AuditEvent.objects.values_list("type", flat=True))
    assert types.count("deployment_change.requested") == 2
    assert "deployment_change.rejected" in types
    assert "deployment_change.withdrawn" in types


def test_a_credential_for_another_server_does_not_go_to_the_one_there_is(
    claude: Deployment, people: dict[str, User]
) -> None:
    before = claude.credential
    moved = replace(wider(claude), base_url="https://elsewhere.example/v1")
    with pytest.raises(ValidationError, match="another server"):
        change_or_ask(
            by=people["author"], deployment=claude, spec=moved, credential="for-the-other"
        )
    claude.refresh_from_db()
    assert claude.credential == before
    change_or_ask(by=people["author"], deployment=claude, spec=wider(claude), credential="anew")
    claude.refresh_from_db()
    assert claude.credential not in {before, "anew"}


def test_a_spec_is_the_same_after_it_was_stored() -> None:
    spec = cloud_spec(
        evidence=(Evidence("contract", "DPA", date(2027, 1, 31)), Evidence("note", "x", None)),
        options={"allow_private": "yes"},
        zone=Zone.PRIVATE_CLOUD,
        retention_days=0,
        trains_on_data=False,
    )
    assert spec_from(spec_data(spec)) == spec
