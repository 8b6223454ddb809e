"""A policy in shadow is decided and recorded beside the live one."""

import io
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command

from gateway.audit.models import RequestRecord
from policies.engine.document import DocumentError
from policies.models import Shadow
from policies.services.drafts import save_draft
from policies.services.publishing import publish
from policies.services.shadows import end_shadow, shadow_of, start_shadow
from tests.policies.services.deciding import allowed, decide_for, record
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    CODE,
    CODE_STAYS,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db
DENY_CODE = {"id": "no-code", "when": {"category": "code"}, "then": {"deny": True}}


@pytest.fixture
def world() -> World:
    made = make_world()
    publish(by=SETUP, project=made.project, document=project_policy(CLAUDE_FIRST))
    return made


def ask(world: World, directory: Path, *texts: str) -> None:
    decisions = [decide_for(world.member, world.project, text) for text in texts]
    record(directory, world.member, world.project, *decisions)


def test_it_has_no_effect_and_is_recorded_beside_the_decision(world: World, tmp_path: Path) -> None:
    start_shadow(by=world.owner, project=world.project, document=project_policy(CODE_STAYS))
    assert allowed(world.member, world.project, CODE) == ["claude", "llama"]
    ask(world, tmp_path, CODE)
    beside = RequestRecord.objects.get().shadow
    assert beside is not None
    assert (beside.outcome, beside.deployment) == ("allowed", "llama")
    assert beside.rules == ["project:code-stays"]


def test_the_organisations_policy_in_shadow_takes_an_admin(world: World, tmp_path: Path) -> None:
    document = organisation_policy(CODE_STAYS)
    with pytest.raises(PermissionDenied):
        start_shadow(by=world.owner, project=world.project, document=document)
    start_shadow(by=world.admin, project=world.project, document=document)
    ask(world, tmp_path, CODE)
    beside = RequestRecord.objects.get().shadow
    assert beside is not None
    assert beside.rules == ["organisation:code-stays", "project:claude-first"]


def test_a_new_one_takes_the_place_of_the_one_before(world: World) -> None:
    first = start_shadow(by=world.owner, project=world.project, document=project_policy())
    second = start_shadow(by=world.owner, project=world.project, document=project_policy(DENY_CODE))
    assert shadow_of(world.project) == second
    assert Shadow.objects.get(pk=first.pk).ended_at is not None


def test_the_draft_is_put_in_shadow_by_command(world: World) -> None:
    save_draft(by=world.owner, project=world.project, document=project_policy(DENY_CODE))
    call_command("policy", "shadow", "start", "--project", "research", stdout=io.StringIO())
    shadow = shadow_of(world.project)
    assert shadow is not None
    assert (shadow.source, shadow.document) == ("draft 1", project_policy(DENY_CODE))
    call_command("policy", "shadow", "end", "--project", "research", stdout=io.StringIO())
    assert shadow_of(world.project) is None


def test_an_old_revision_is_put_in_shadow_by_command(world: World) -> None:
    publish(by=SETUP, project=world.project, document=project_policy(DENY_CODE))
    publish(by=SETUP, project=None, document=organisation_policy(CODE_STAYS))

    def start(*more: str) -> None:
        out = io.StringIO()
        call_command("policy", "shadow", "start", *more, "--project", "research", stdout=out)

    start("--revision", "1")
    shadow = shadow_of(world.project)
    assert shadow is not None
    assert (shadow.source, shadow.document) == ("revision 1", project_policy(CLAUDE_FIRST))
    start("--revision", "1", "--organisation")
    shadow = shadow_of(world.project)
    assert shadow is not None
    assert shadow.source == "organisation, revision 1"
    assert shadow.document == organisation_policy(CODE_STAYS)
    with pytest.raises(CommandError, match="no revision 7"):
        start("--revision", "7")
    with pytest.raises(CommandError, match="no draft"):
        start("--organisation")
    with pytest.raises(CommandError, match="not both"):
        start("policy.yaml", "--revision", "1")
    still = shadow_of(world.project)
    assert still is not None
    assert still.source == "organisation, revision 1"


def test_what_does_not_read_and_who_may_not_are_refused(world: World) -> None:
    with pytest.raises(DocumentError):
        start_shadow(by=world.owner, project=world.project, document={"kind": "x"})
    with pytest.raises(PermissionDenied):
        start_shadow(by=world.member, project=world.project, document=project_policy())
    with pytest.raises(PermissionDenied):
        end_shadow(by=world.member, project=world.project)


def test_one_that_reads_no_more_stops_no_request(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    start_shadow(by=world.owner, project=world.project, document=project_policy())
    Shadow.objects.update(document={"kind": "project-policy", "project": "research", "x": 1})
    assert decide_for(world.member, world.project, "hello").shadow is None
    assert "left out" in caplog.text
