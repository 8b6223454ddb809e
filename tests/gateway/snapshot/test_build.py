"""From the database to what the path decides with."""

import logging
from collections.abc import Callable
from ipaddress import ip_network

import pytest
from django.db import connection
from pytest_django import Settings

from gateway.accounts.models import ControlVersion, Organisation
from gateway.accounts.services import change_project, create_api_key
from gateway.deployments.models import Deployment
from gateway.deployments.services import (
    add_grant,
    change_deployment,
    remove_grant,
    set_alias,
    set_enabled,
    stop_egress,
)
from gateway.snapshot.build import Builder
from policies.engine.facts import NOTHING_CLEARED, Zone
from policies.engine.labels import Label, Sensitivity
from policies.models import PolicyRevision, WordList
from policies.services import publish
from policies.services.word_lists import set_word_list
from tests.support.world import SETUP, World, cloud_spec, make_world, project_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def project_policy(*rules: object, **more: object) -> dict[str, object]:
    return {"kind": "project-policy", "project": "research", "rules": list(rules), **more}


def spoil(revision: PolicyRevision, document: str) -> None:
    """What only a damaged database does: revisions refuse to change."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE policies_policyrevision SET document = %s WHERE id = %s",
            [document, revision.pk],
        )


def test_a_project_sees_the_aliases_of_what_it_was_granted(world: World) -> None:
    other, _ = project_with("other")
    add_grant(by=SETUP, project=other, deployment=world.local)
    snapshot = Builder().build()
    assert list(snapshot.projects["research"].models) == ["llama", "claude", "auto"]
    assert list(snapshot.projects["other"].models) == ["llama", "auto"]
    assert snapshot.projects["research"].models["auto"].zones == ("on_prem", "cloud")
    assert snapshot.projects["other"].models["auto"].zones == ("on_prem",)
    assert snapshot.projects["other"].policy.aliases["auto"] == ("llama",)


def test_a_destination_has_the_decrypted_credential_and_the_networks_of_its_zone(
    world: World, settings: Settings
) -> None:
    settings.ON_PREM_NETWORKS = (ip_network("10.0.0.0/8"),)
    snapshot = Builder().build()
    assert snapshot.destinations["claude"].credential == "vendor-secret-1"
    assert snapshot.destinations["claude"].networks == ()
    assert snapshot.destinations["llama"].networks == (ip_network("10.0.0.0/8"),)
    assert snapshot.destinations["llama"].zone is Zone.ON_PREM


def test_a_credential_under_another_key_takes_only_its_own_destination_away(
    world: World, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.KEY_ENCRYPTION_KEY = "q" * 43 + "="
    snapshot = Builder().build()
    assert snapshot.destinations.keys() == {"llama"}
    assert "claude" in caplog.text


def test_a_deployment_where_sluice_itself_listens_now_has_no_destination(
    world: World, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.PORT = 9911
    assert Builder().build().destinations.keys() == {"claude"}
    assert "llama has no destination" in caplog.text


def test_a_disabled_deployment_has_no_destination_and_no_model(world: World) -> None:
    set_enabled(by=SETUP, deployment=world.cloud, enabled=False)
    snapshot = Builder().build()
    assert snapshot.destinations.keys() == {"llama"}
    assert list(snapshot.projects["research"].models) == ["llama", "auto"]
    assert not snapshot.projects["research"].policy.deployments["claude"].enabled


def test_a_proposal_is_not_there_at_all(world: World) -> None:
    Deployment.objects.filter(name="claude").update(proposed=True)
    snapshot = Builder().build()
    assert snapshot.destinations.keys() == {"llama"}
    assert "claude" not in snapshot.projects["research"].policy.deployments


def test_the_floor_is_the_projects_raised_by_its_policy(world: World) -> None:
    assert Builder().build().projects["research"].policy.floor == Label(Sensitivity.INTERNAL)
    publish(by=SETUP, project=world.project, document=project_policy(floor="confidential"))
    assert Builder().build().projects["research"].policy.floor == Label(Sensitivity.CONFIDENTIAL)
    publish(by=SETUP, project=world.project, document=project_policy(floor="public"))
    assert Builder().build().projects["research"].policy.floor == Label(Sensitivity.INTERNAL)


def test_an_archived_project_is_gone(world: World) -> None:
    change_project(by=SETUP, project=world.project, archived=True)
    assert Builder().build().projects == {}


def test_a_broken_policy_takes_its_own_project_down_and_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    other, _ = project_with("other")
    add_grant(by=SETUP, project=other, deployment=world.local)
    revision = publish(by=SETUP, project=world.project, document=project_policy())
    spoil(revision, '{"kind": "project-policy", "project": "research", "rules": [{"id": 1}]}')
    with caplog.at_level(logging.ERROR):
        snapshot = Builder().build()
    assert snapshot.projects.keys() == {"other"}
    assert "research" in caplog.text
    assert "denies" in caplog.text


def test_a_broken_organisation_policy_leaves_no_project(world: World) -> None:
    revision = publish(by=SETUP, project=None, document={"kind": "organisation-policy"})
    assert Builder().build().projects
    spoil(revision, '"nothing"')
    assert Builder().build().projects == {}


def test_the_organisations_rules_come_first(world: World) -> None:
    publish(
        by=SETUP,
        project=None,
        document={
            "kind": "organisation-policy",
            "rules": [
                {
                    "id": "health-stays",
                    "when": {"category": "health"},
                    "then": {"allow_only": {"zone": "on_prem"}},
                }
            ],
        },
    )
    publish(
        by=SETUP,
        project=world.project,
        document=project_policy({"id": "local-first", "then": {"prefer": ["llama"]}}),
    )
    rules = Builder().build().projects["research"].policy.rules
    assert [rule.key for rule in rules] == ["organisation:health-stays", "project:local-first"]


def test_a_word_list_becomes_a_recognizer_of_its_project_alone(world: World) -> None:
    project_with("other")
    WordList.objects.create(
        project=world.project, name="codenames", category="legal", words=["Bluebird"]
    )
    snapshot = Builder().build()
    found = snapshot.projects["research"].analyser.analyse(["about bluebird today"])
    assert [(finding.data_class, finding.category) for finding in found.findings] == [
        ("CODENAMES", "legal")
    ]
    assert not snapshot.projects["other"].analyser.analyse(["about bluebird today"]).findings


def test_what_did_not_change_is_the_same_object_in_the_next_snapshot(world: World) -> None:
    builder = Builder()
    first = builder.build()
    change_deployment(by=SETUP, deployment=world.cloud, spec=cloud_spec(upstream_model="big-2"))
    second = builder.build()
    assert second.version > first.version
    assert second.destinations["llama"] is first.destinations["llama"]
    assert second.destinations["claude"].upstream_model == "big-2"
    assert second.projects["research"].analyser is first.projects["research"].analyser


def test_the_switch_is_in_the_snapshot(world: World) -> None:
    assert not Builder().build().egress_stopped
    stop_egress(by=SETUP)
    assert Builder().build().egress_stopped


def test_reading_writes_nothing() -> None:
    Builder().build()
    assert not Organisation.objects.exists()
    assert not ControlVersion.objects.exists()


def test_an_alias_keeps_its_order(world: World) -> None:
    set_alias(by=SETUP, name="auto", deployments=[world.cloud, world.local])
    policy = Builder().build().projects["research"].policy
    assert policy.aliases["auto"] == ("claude", "llama")


def test_a_view_is_kept_while_nothing_that_it_depends_on_changes(world: World) -> None:
    builder = Builder()
    first = builder.build().projects["research"]
    create_api_key(by=SETUP, project=world.project, name="k", owner=world.member)
    assert builder.build().projects["research"] is first


CHANGES: dict[str, Callable[[World], object]] = {
    "its policy": lambda world: publish(
        by=SETUP,
        project=world.project,
        document=project_policy({"id": "x", "then": {"deny": True}}),
    ),
    "the organisation's policy": lambda world: publish(
        by=SETUP, project=None, document={"kind": "organisation-policy", "floor": "confidential"}
    ),
    "its floor": lambda world: change_project(
        by=SETUP, project=world.project, floor=Label(Sensitivity.RESTRICTED)
    ),
    "its grants": lambda world: remove_grant(
        by=SETUP, project=world.project, deployment=world.cloud
    ),
    "its words": lambda world: set_word_list(
        by=SETUP, project=world.project, name="x", category="legal", words=["y"]
    ),
    "a deployment": lambda world: set_enabled(by=SETUP, deployment=world.cloud, enabled=False),
    "a clearance": lambda world: change_deployment(
        by=SETUP, deployment=world.cloud, spec=cloud_spec(clearance=NOTHING_CLEARED)
    ),
    "an alias": lambda world: set_alias(by=SETUP, name="auto", deployments=[world.cloud]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_view_is_made_anew_after_a_change_of(world: World, what: str) -> None:
    builder = Builder()
    first = builder.build().projects["research"]
    CHANGES[what](world)
    kept = builder.build().projects["research"]
    fresh = Builder().build().projects["research"]
    assert kept is not first
    assert (kept.policy.revision, kept.policy.aliases) == (
        fresh.policy.revision,
        fresh.policy.aliases,
    )
    if what != "its words":
        assert kept.policy.revision != first.policy.revision
