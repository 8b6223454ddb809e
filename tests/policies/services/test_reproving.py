"""What was proven of a policy stays true: whatever else lets more leave is proven again."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from gateway.accounts.services import change_project, create_project
from gateway.accounts.statements import proven_later, require_statements
from gateway.audit.models import AuditEvent
from gateway.deployments.models import Deployment, Grant, ModelAlias
from gateway.deployments.services import (
    add_grant,
    change_deployment,
    create_deployment,
    remove_grant,
    set_alias,
    set_enabled,
)
from gateway.deployments.spec import spec_of
from policies.engine.facts import Clearance, Zone
from policies.engine.labels import Label, Sensitivity
from policies.services.configuration import (
    Authority,
    ConfigFile,
    ConfigurationError,
    apply,
    rehearse,
)
from policies.services.publishing import publish
from policies.services.reproving import broken_statements
from tests.policies.services.policy_documents import organisation_policy, project_policy
from tests.support.world import SETUP, World, cloud_spec, make_world

pytestmark = pytest.mark.django_db

HEALTH_STAYS = {"label": {"category": "health"}, "zone": ["cloud", "private_cloud"]}
WIDE = Clearance(Sensitivity.RESTRICTED, frozenset({"code", "health"}))
AUTHORITY = Authority(SETUP)


@pytest.fixture
def world() -> World:
    """A project whose policy states that health data never leaves; nothing is cleared for it."""
    world = make_world()
    publish(by=SETUP, project=world.project, document=project_policy(never=[HEALTH_STAYS]))
    return world


def refused(caught: pytest.ExceptionInfo[ValidationError]) -> str:
    text = " ".join(caught.value.messages)
    assert "In project research a statement of its policy (/never/0) would not hold" in text
    assert "claude" in text
    assert "health" in text
    return text


def test_a_wider_clearance_is_refused_with_the_counterexample(world: World) -> None:
    spec = replace(spec_of(world.cloud), clearance=WIDE)
    with pytest.raises(ValidationError) as caught:
        change_deployment(by=world.admin, deployment=world.cloud, spec=spec)
    refused(caught)
    assert Deployment.objects.get(name="claude").clearance_sensitivity == "internal"
    assert not AuditEvent.objects.filter(type="deployment.clearance_widened").filter(
        object_id=str(world.cloud.pk), details__sensitivity="restricted"
    )


def test_a_clearance_that_breaks_no_statement_is_given(world: World) -> None:
    legal = Clearance(Sensitivity.CONFIDENTIAL, frozenset({"code", "legal"}))
    spec = replace(spec_of(world.cloud), clearance=legal)
    change_deployment(by=world.admin, deployment=world.cloud, spec=spec)
    assert Deployment.objects.get(name="claude").clearance_sensitivity == "confidential"


def test_a_project_without_the_grant_or_without_statements_has_no_say(world: World) -> None:
    remove_grant(by=world.admin, project=world.project, deployment=world.cloud)
    change_deployment(
        by=world.admin, deployment=world.cloud, spec=replace(spec_of(world.cloud), clearance=WIDE)
    )
    other = create_project(by=SETUP, slug="other")
    add_grant(by=SETUP, project=other, deployment=world.cloud)
    with pytest.raises(ValidationError) as caught:
        add_grant(by=world.owner, project=world.project, deployment=world.cloud)
    refused(caught)
    assert not Grant.objects.filter(project=world.project, deployment=world.cloud).exists()


def test_an_alias_that_leads_there_is_refused(world: World) -> None:
    spec = cloud_spec("other", clearance=WIDE)
    deployment = create_deployment(by=SETUP, spec=spec)
    # Nobody can ask for it yet, so its grant breaks nothing.
    add_grant(by=world.owner, project=world.project, deployment=deployment)
    with pytest.raises(ValidationError) as caught:
        set_alias(by=world.admin, name="auto", deployments=[world.local, deployment])
    assert "would not hold" in " ".join(caught.value.messages)
    assert ModelAlias.objects.get(name="auto").target_names() == ["llama", "claude"]


def test_switching_it_on_is_refused(world: World) -> None:
    set_enabled(by=SETUP, deployment=world.cloud, enabled=False)
    spec = replace(spec_of(world.cloud), clearance=WIDE)
    change_deployment(by=SETUP, deployment=world.cloud, spec=spec)
    with pytest.raises(ValidationError) as caught:
        set_enabled(by=world.admin, deployment=world.cloud, enabled=True)
    refused(caught)
    assert not Deployment.objects.get(name="claude").enabled


def test_a_statement_about_labels_holds_with_a_lower_floor_or_the_floor_stays(
    world: World,
) -> None:
    change_project(by=SETUP, project=world.project, floor=Label(Sensitivity.CONFIDENTIAL))
    never = [{"label": {"category": "code"}, "zone": ["cloud"]}]
    publish(by=SETUP, project=world.project, document=project_policy(never=never))
    with pytest.raises(ValidationError) as caught:
        change_project(by=world.admin, project=world.project, floor=Label(Sensitivity.PUBLIC))
    assert "would not hold" in " ".join(caught.value.messages)


def test_the_organisations_statement_counts_in_every_project(world: World) -> None:
    publish(by=SETUP, project=world.project, document=project_policy())
    publish(by=SETUP, project=None, document=organisation_policy(never=[HEALTH_STAYS]))
    spec = replace(spec_of(world.cloud), clearance=WIDE)
    with pytest.raises(ValidationError) as caught:
        change_deployment(by=world.admin, deployment=world.cloud, spec=spec)
    assert "a statement of the organisation's policy" in " ".join(caught.value.messages)


FILE = """
deployments:
  - name: claude
    base_url: https://vendor.example/v1
    model: big-1
    zone: cloud
    clearance: {{sensitivity: restricted, categories: [code, health]}}
{rest}
"""
NARROWED = """
projects:
  - slug: research
    policy:
      kind: project-policy
      rules:
        - {id: health, when: {category: health}, then: {allow_only: {zone: on_prem}}}
      never:
        - {label: {category: health}, zone: [cloud, private_cloud]}
"""


def test_a_file_that_widens_under_a_policy_it_does_not_mention_is_refused(world: World) -> None:
    with pytest.raises(ConfigurationError) as caught:
        apply(ConfigFile(FILE.format(rest="")), authority=AUTHORITY, yes_widen=True)
    (problem,) = caught.value.problems
    assert "In project research a statement of its policy (/never/0)" in problem.sentence
    assert Deployment.objects.get(name="claude").clearance_sensitivity == "internal"


def test_a_file_is_proven_at_its_end_and_not_in_between(world: World) -> None:
    apply(ConfigFile(FILE.format(rest=NARROWED)), authority=AUTHORITY, yes_widen=True)
    assert Deployment.objects.get(name="claude").clearance_sensitivity == "restricted"
    assert broken_statements() == ()


def test_a_diff_says_what_applying_would_be_judged_and_changes_nothing(
    world: World, tmp_path: Path
) -> None:
    events = AuditEvent.objects.count()
    plan = rehearse(ConfigFile(FILE.format(rest="")))
    (verdict,) = plan.verdict
    assert "would not hold any more" in verdict
    assert "REFUSED: In project research" in plan.as_text()
    assert rehearse(ConfigFile(FILE.format(rest=NARROWED))).verdict == ()
    failing = NARROWED.replace(
        "      never:",
        "      tests:\n        - {text: hello, alias: auto, expect: {denied: true}}\n      never:",
    )
    (verdict,) = rehearse(ConfigFile(FILE.format(rest=failing))).verdict
    assert "policy of project research, /tests/0: This test (model auto) fails" in verdict
    path = tmp_path / "sluice.yaml"
    path.write_text(FILE.format(rest=""))
    out = StringIO()
    call_command("config", "diff", str(path), stdout=out)
    assert "REFUSED: In project research" in out.getvalue()
    assert Deployment.objects.get(name="claude").clearance_sensitivity == "internal"
    assert AuditEvent.objects.count() == events


def test_while_nobody_proves_nothing_is_widened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.accounts.statements._registered", [])
    with pytest.raises(RuntimeError):
        require_statements()
    with proven_later():
        require_statements()
    with pytest.raises(RuntimeError):
        set_alias(by=world.admin, name="more", deployments=[world.local])
    assert not ModelAlias.objects.filter(name="more").exists()


def test_a_zone_that_is_trusted_more_is_proven_as_well(world: World) -> None:
    never = [{"label": {"at_least": "confidential"}, "zone": ["private_cloud"]}]
    publish(by=SETUP, project=world.project, document=project_policy(never=never))
    spec = replace(
        spec_of(world.cloud),
        zone=Zone.PRIVATE_CLOUD,
        clearance=Clearance(Sensitivity.CONFIDENTIAL, frozenset()),
    )
    with pytest.raises(ValidationError) as caught:
        change_deployment(by=world.admin, deployment=world.cloud, spec=spec, restate_clearance=True)
    assert "would not hold" in " ".join(caught.value.messages)
