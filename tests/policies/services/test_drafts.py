"""Drafts: nobody overwrites another person's work without knowing, and nothing takes effect."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from gateway.accounts.changes import control_version
from gateway.accounts.roles import Role
from gateway.accounts.services import add_member
from gateway.audit.models import AuditEvent
from policies.models import PolicyDraft
from policies.services.conflicts import Conflict
from policies.services.drafts import discard_draft, draft_of, save_draft
from policies.services.publishing import publish
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    LLAMA_FIRST,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, make_world, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def test_a_draft_counts_its_saves_and_remembers_what_it_began_from(world: World) -> None:
    revision = publish(by=SETUP, project=world.project, document=project_policy())
    first = save_draft(by=world.owner, project=world.project, document={"a": 1})
    second = save_draft(by=world.owner, project=world.project, document={"a": 2}, version=1)
    assert (first.version, second.version, second.base) == (1, 2, revision)
    assert second.updated_by == f"user:{world.owner.pk}"
    events = AuditEvent.objects.filter(type="policy_draft.saved").order_by("seq")
    assert [event.details["version"] for event in events] == [1, 2]
    assert "a" not in events[0].details


def test_a_save_over_somebody_elses_is_refused_and_theirs_stays(world: World) -> None:
    save_draft(by=world.owner, project=world.project, document={"a": 1})
    save_draft(by=world.admin, project=world.project, document={"a": 2}, version=1)
    with pytest.raises(Conflict, match="version 2"):
        save_draft(by=world.owner, project=world.project, document={"a": 3}, version=1)
    with pytest.raises(Conflict):
        save_draft(by=world.owner, project=world.project, document={"a": 3})
    assert draft_of(world.project).document == {"a": 2}  # type: ignore[union-attr]


def test_a_save_of_a_draft_that_is_gone_is_refused(world: World) -> None:
    save_draft(by=world.owner, project=world.project, document={"a": 1})
    discard_draft(by=world.owner, project=world.project, version=1)
    with pytest.raises(Conflict, match="thrown away"):
        save_draft(by=world.owner, project=world.project, document={"a": 2}, version=1)
    assert not PolicyDraft.objects.exists()


def test_only_a_version_that_was_seen_is_thrown_away(world: World) -> None:
    save_draft(by=world.owner, project=world.project, document={"a": 1})
    with pytest.raises(Conflict):
        discard_draft(by=world.owner, project=world.project, version=2)
    assert PolicyDraft.objects.exists()


def test_a_draft_takes_over_a_newer_revision_only_when_it_is_told_so(world: World) -> None:
    publish(by=SETUP, project=world.project, document=project_policy())
    save_draft(by=world.owner, project=world.project, document={"a": 1})
    newer = publish(by=SETUP, project=world.project, document=project_policy(LLAMA_FIRST))
    kept = save_draft(by=world.owner, project=world.project, document={"a": 2}, version=1)
    assert kept.base is not None
    assert kept.base.number == 1
    with pytest.raises(Conflict):
        save_draft(by=world.owner, project=world.project, document={}, version=2, base=1)
    moved = save_draft(by=world.owner, project=world.project, document={}, version=2, base=2)
    assert moved.base == newer


def test_a_draft_may_be_wrong_and_changes_nothing_in_effect(world: World) -> None:
    before = control_version()
    save_draft(by=world.owner, project=world.project, document={"kind": "nonsense"})
    assert control_version() == before


def test_what_is_too_large_to_be_a_policy_is_no_draft(world: World) -> None:
    with pytest.raises(ValidationError, match="too large"):
        save_draft(by=world.owner, project=world.project, document={"rules": [0] * 200_000})


@pytest.mark.parametrize("role", [Role.MEMBER, Role.AUDITOR])
def test_who_may_not_edit_saves_no_draft(world: World, role: Role) -> None:
    ada = person("ada@sluice.example")
    add_member(by=SETUP, project=world.project, user=ada, role=role)
    with pytest.raises(PermissionDenied):
        save_draft(by=ada, project=world.project, document=project_policy(CLAUDE_FIRST))
    with pytest.raises(PermissionDenied):
        save_draft(by=world.owner, project=None, document=organisation_policy())
    with pytest.raises(PermissionDenied):
        discard_draft(by=ada, project=world.project, version=0)
