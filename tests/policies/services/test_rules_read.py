"""What is stated of a deployment is judged by the rules that read it: who states more may widen."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from gateway.accounts.models import Organisation, User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services import change_project, create_project, set_group
from gateway.accounts.services.second_person import SecondPersonNeeded
from gateway.audit.models import AuditEvent
from gateway.deployments.models import Deployment
from gateway.deployments.services import change_deployment
from gateway.deployments.services.waiting import approve_change, change_or_ask
from gateway.deployments.spec import spec_of
from policies.engine.facts import Clearance, DeploymentFacts, Zone
from policies.engine.labels import Sensitivity
from policies.services.configuration import Authority, ConfigFile, WideningRefused, apply, rehearse
from policies.services.exceptions import ExceptionWanted, create_exception
from policies.services.publishing import publish
from policies.services.rules_read import what_rules_give
from tests.policies.services.policy_documents import organisation_policy, project_policy
from tests.support.world import SETUP, World, make_world, person

pytestmark = pytest.mark.django_db

CLAUDE = DeploymentFacts(
    name="claude",
    zone=Zone.CLOUD,
    clearance=Clearance(Sensitivity.INTERNAL, frozenset({"code"})),
    endpoints=frozenset({"chat.completions"}),
    vendor="Acme",
    region="us",
    retention_days=30,
)
STAYS = "rule it of project research would let it stay"
MASKS_NOT = "rule it of project research would mask nothing for it any more"
MASKS = (
    "rule it of project research would mask for it, so that masked text may go where it may not now"
)
ASKS_NOT = "rule it of project research would ask for no approval any more"


@pytest.fixture
def world() -> World:
    return make_world()


def rule(then: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "it", "then": then, **more}


def in_effect(world: World, *rules: object, **more: Any) -> None:
    publish(by=SETUP, project=world.project, document=project_policy(*rules, **more))


EU_ONLY = rule({"allow_only": {"region": ["eu"]}})
US_ASKS = rule({"require_approval": {"region": "us"}})
EU_MASKED = rule({"mask": ["EMAIL_ADDRESS"], "for": {"region": "eu"}})


@pytest.mark.parametrize(
    ("written", "change", "given"),
    [
        (EU_ONLY, {"region": "EU"}, STAYS),
        (EU_ONLY, {"region": "asia"}, ""),
        (EU_ONLY, {"region": None}, ""),
        (EU_ONLY, {"vendor": "Other"}, ""),
        (US_ASKS, {"region": "eu"}, ASKS_NOT),
        (US_ASKS, {"region": None}, ""),  # unknown counts as worst
        (EU_MASKED, {"region": "eu"}, MASKS),
        (EU_MASKED, {"region": None}, MASKS),
        (rule({"mask": ["EMAIL_ADDRESS"], "for": {"region": "us"}}), {"region": "eu"}, MASKS_NOT),
        (rule({"allow_only": {"vendor": "acme"}}), {"vendor": "Other"}, ""),
        (rule({"allow_only": {"vendor": "other"}}), {"vendor": "Other"}, STAYS),
        (rule({"allow_only": {"retention_days": {"at_most": 0}}}), {"retention_days": 0}, STAYS),
        (rule({"allow_only": {"retention_days": {"at_most": 0}}}), {"retention_days": 7}, ""),
        (rule({"allow_only": {"trains_on_data": False}}), {"trains_on_data": False}, STAYS),
        (rule({"allow_only": {"trains_on_data": False}}), {"trains_on_data": True}, ""),
        ({**EU_ONLY, "shadow": True}, {"region": "eu"}, ""),
        (rule({"prefer": {"region": "eu"}}), {"region": "eu"}, ""),
        (rule({"deny": "no"}), {"region": "eu"}, ""),
    ],
)
def test_a_rule_gives_more_or_it_does_not(
    world: World, written: dict[str, Any], change: dict[str, Any], given: str
) -> None:
    in_effect(world, written)
    assert what_rules_give(CLAUDE, replace(CLAUDE, **change)) == ((given,) if given else ())


def test_a_statement_that_is_about_it_no_more_counts(world: World) -> None:
    never = [{"label": {"at_least": "confidential"}, "region": ["us"], "zone": ["cloud"]}]
    in_effect(world, never=never)
    [told] = what_rules_give(CLAUDE, replace(CLAUDE, region="eu"))
    assert told == "statement /never/0 of project research would not be about it any more"
    assert what_rules_give(replace(CLAUDE, region="eu"), CLAUDE) == ()


def test_the_organisations_rules_and_those_of_archived_projects_count(world: World) -> None:
    publish(by=SETUP, project=None, document=organisation_policy(EU_ONLY))
    other = create_project(by=SETUP, slug="other")
    publish(by=SETUP, project=other, document={**project_policy(US_ASKS), "project": "other"})
    change_project(by=SETUP, project=other, archived=True)
    assert what_rules_give(CLAUDE, replace(CLAUDE, region="eu")) == (
        "rule it of the organisation would let it stay",
        "rule it of project other would ask for no approval any more",
    )


def test_a_policy_that_cannot_be_read_counts_as_giving_more(world: World) -> None:
    in_effect(world, rule({"prefer": ["claude"]}))
    assert what_rules_give(CLAUDE, replace(CLAUDE, region="eu")) == ()
    Deployment.objects.filter(name="claude").update(name="renamed")
    [told] = what_rules_give(CLAUDE, replace(CLAUDE, region="eu"))
    assert told.startswith("the policy of project research cannot be read")


def test_the_zone_is_judged_by_itself(world: World) -> None:
    in_effect(world, rule({"mask": ["EMAIL_ADDRESS"]}))  # off on-prem
    inside = replace(CLAUDE, zone=Zone.ON_PREM)
    assert what_rules_give(inside, replace(CLAUDE, region="eu")) == ()


def region(row: Deployment) -> str:
    row.refresh_from_db()
    return row.region


def test_it_waits_for_the_second_person_who_is_not_the_author(world: World) -> None:
    Organisation.load()
    Organisation.objects.update(second_person_for_widening=True)
    approver = person("approver@sluice.example", OrganisationRole.APPROVER)
    in_effect(world, EU_ONLY)
    spec = replace(spec_of(world.cloud), region="eu")
    with pytest.raises(SecondPersonNeeded):
        change_deployment(by=world.admin, deployment=world.cloud, spec=spec)
    done = change_or_ask(by=world.admin, deployment=world.cloud, spec=spec, reason="moved")
    assert done.waiting is not None
    assert region(world.cloud) == ""
    asked = AuditEvent.objects.get(type="deployment_change.requested")
    assert asked.details["widens"] == [STAYS]
    approve_change(by=approver, change=done.waiting)
    assert region(world.cloud) == "eu"
    event = AuditEvent.objects.get(
        type="deployment.clearance_widened", object_id=str(world.cloud.pk), details__widens=[STAYS]
    )
    assert event.details["approved_by"] == str(approver.pk)


def test_a_deployment_that_is_off_is_judged_as_well(world: World) -> None:
    """Else it could be stated while it is off, and switched on by one person."""
    Organisation.load()
    Organisation.objects.update(second_person_for_widening=True)
    in_effect(world, EU_ONLY)
    off = replace(spec_of(world.cloud), enabled=False)
    change_deployment(by=world.admin, deployment=world.cloud, spec=off)
    with pytest.raises(SecondPersonNeeded):
        change_deployment(by=world.admin, deployment=world.cloud, spec=replace(off, region="eu"))


def test_statements_are_proven_again(world: World) -> None:
    health = {"when": {"category": "health"}}
    never = [{"label": {"category": "health"}, "zone": ["cloud"]}]
    wide = Clearance(Sensitivity.RESTRICTED, frozenset({"code", "health"}))
    spec = replace(spec_of(world.cloud), clearance=wide, retention_days=30)
    change_deployment(by=SETUP, deployment=world.cloud, spec=spec)
    only = {"allow_only": {"retention_days": {"at_most": 0}}}
    keeps = rule(only, **health)
    stays = {"id": "on-prem-too", "then": {"prefer": ["llama"]}}
    in_effect(world, keeps, stays, never=never)
    with pytest.raises(ValidationError, match="would not hold"):
        change_deployment(
            by=world.admin, deployment=world.cloud, spec=replace(spec, retention_days=0)
        )
    world.cloud.refresh_from_db()
    assert world.cloud.retention_days == 30


def test_while_nobody_reads_rules_nothing_that_they_read_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.deployments.rules_read._registered", [])
    same = replace(spec_of(world.cloud), idle_timeout_s=7.0)
    change_deployment(by=world.admin, deployment=world.cloud, spec=same)
    with pytest.raises(RuntimeError):
        change_deployment(by=world.admin, deployment=world.cloud, spec=replace(same, region="eu"))
    assert region(world.cloud) == ""


FILE = """
deployments:
  - name: claude
    base_url: https://vendor.example/v1
    model: big-1
    zone: cloud
    region: {region}
    enabled: true
    clearance: {{sensitivity: internal, categories: [code]}}
"""


def test_a_file_marks_it_and_wants_a_yes(world: World) -> None:
    in_effect(world, EU_ONLY)
    file = ConfigFile(FILE.format(region="eu"))
    assert f"WIDENS: {STAYS}" in rehearse(file).as_text()
    assert "WIDENS" not in rehearse(ConfigFile(FILE.format(region="us"))).as_text()
    with pytest.raises(WideningRefused):
        apply(file, authority=Authority(SETUP))
    apply(file, authority=Authority(SETUP), yes_widen=True)
    assert region(world.cloud) == "eu"


GROUPS = "groups:\n  - name: interns\n    members: [{member}]\n"


def without_interns(owner: User) -> ConfigFile:
    return ConfigFile(GROUPS.format(member=owner.email))


def test_a_group_that_a_rule_or_an_exception_names_is_marked(world: World) -> None:
    set_group(by=SETUP, slug="interns", members=[world.member])
    assert "WIDENS" not in rehearse(without_interns(world.owner)).as_text()
    when = {"not": {"group": "interns"}}
    in_effect(world, rule({"allow_only": {"zone": "on_prem"}}, when=when))
    create_exception(
        by=SETUP,
        project=world.project,
        wanted=ExceptionWanted(
            name="for-now",
            rules=("project:it",),
            reason="moving",
            ends_at=timezone.now() + timedelta(days=1),
            groups=("interns",),
        ),
        owner=world.owner,
    )
    assert rehearse(without_interns(world.owner)).widens == (
        "group interns: rule it of project research asks for this group",
        "group interns: exception for-now of project research is for this group",
    )
