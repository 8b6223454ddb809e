"""Which projects could use a deployment, decided over real policies, grants and aliases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from gateway.accounts.models import Project
from gateway.deployments.services import remove_alias, remove_grant
from policies.engine.facts import Clearance, DeploymentFacts, Evidence
from policies.engine.labels import Sensitivity
from policies.services.publishing import publish
from policies.services.usability import examples_of, shared_with, usable_by
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def publish_rule(project: Project, rule: dict[str, object]) -> None:
    document = {"kind": "project-policy", "project": project.slug, "rules": [rule]}
    publish(by=SETUP, document=document, project=project)


def reason(world: World, facts: DeploymentFacts | None = None) -> str:
    """Why the project cannot use the cloud deployment; empty: it can."""
    facts = facts or world.cloud.facts()
    [found] = usable_by(facts, [world.project], shared=shared_with(facts))
    assert found.usable == (not found.reason)
    return found.reason


def test_granted_named_and_cleared_it_is_usable(world: World) -> None:
    assert reason(world) == ""


def test_without_a_grant_it_is_not(world: World) -> None:
    remove_grant(by=SETUP, project=world.project, deployment=world.cloud)
    assert reason(world) == "It is not granted to the project."


def test_without_an_alias_it_is_not(world: World) -> None:
    for alias in world.cloud.aliases.all():
        remove_alias(by=SETUP, alias=alias)
    assert reason(world) == "No alias names it."


def test_a_clearance_below_the_floor_says_so(world: World) -> None:
    public = Clearance(Sensitivity.PUBLIC, frozenset())
    assert "public at most" in reason(world, replace(world.cloud.facts(), clearance=public))


def test_evidence_that_ended_says_so(world: World) -> None:
    yesterday = timezone.now().date() - timedelta(days=1)
    ended = replace(world.cloud.facts(), evidence=(Evidence("contract", "DPA", yesterday),))
    assert "expired" in reason(world, ended)


def test_a_rule_that_allows_only_others_says_which(world: World) -> None:
    publish_rule(
        world.project,
        {
            "id": "inside",
            "when": {"sensitivity": {"at_least": "public"}},
            "then": {"allow_only": {"zone": "on_prem"}},
        },
    )
    assert "inside" in reason(world)


def test_a_rule_for_some_data_leaves_the_rest(world: World) -> None:
    publish_rule(
        world.project,
        {
            "id": "code-stays",
            "when": {"category": "code"},
            "then": {"allow_only": {"zone": "on_prem"}},
        },
    )
    assert reason(world) == ""


def test_one_that_is_off_is_judged_as_if_it_were_on(world: World) -> None:
    assert reason(world, replace(world.cloud.facts(), enabled=False)) == ""


def test_examples_are_decided_as_requests_would_be(world: World) -> None:
    publish_rule(
        world.project,
        {
            "id": "mails",
            "when": {"category": "personal"},
            "then": {"mask": ["EMAIL_ADDRESS"], "for": {"deployment": "claude"}},
        },
    )
    facts = world.cloud.facts()
    texts = ["Hello.", "Write to jane.roe@clinic.example.", "IBAN DE89 3704 0044 0532 0130 00"]
    shared = shared_with(facts)
    plain, mail, iban = examples_of(facts, texts, project=world.project, shared=shared)
    assert (plain.zone, plain.masked) == ("cloud", 0)
    assert (mail.zone, mail.masked) == ("cloud", 1)
    assert iban.zone == ""
    assert "confidential" in iban.reason
    [bare] = examples_of(facts, ["Hello."], project=None, shared=shared)
    assert bare.zone == "cloud"
