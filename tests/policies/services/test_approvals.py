"""Approvals: one request passes the rules that want one, when somebody else agrees."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member
from gateway.audit.models import AuditEvent
from gateway.inference.exchange import Decided
from gateway.inference.refusals import denied
from policies.models import Approval, ApprovalState
from policies.services.approvals import (
    approvals_for,
    ask_for_approval,
    grant_approval,
    refuse_approval,
)
from policies.services.conflicts import Conflict
from policies.services.publishing import publish
from tests.policies.services.deciding import allowed, decide_for, record
from tests.policies.services.policy_documents import CODE, organisation_policy, project_policy
from tests.support.world import SETUP, World, make_world, person

pytestmark = pytest.mark.django_db
ASK = {"id": "ask-first", "when": {"category": "code"}, "then": {"require_approval": True}}


@pytest.fixture
def world() -> World:
    made = make_world()
    publish(by=SETUP, project=made.project, document=project_policy(ASK))
    return made


@pytest.fixture
def refused(world: World, tmp_path: Path) -> Decided:
    decided = decide_for(world.member, world.project, CODE, alias="claude")
    assert not decided.permit.allowed
    record(tmp_path, world.member, world.project, decided)
    return decided


def ask(world: World, refused: Decided, by: User | None = None) -> Approval:
    return ask_for_approval(
        by=by or world.member,
        project=world.project,
        decision_id=refused.permit.decision_id,
        reason="it is public code",
    )


def goes(world: World, text: str = CODE) -> list[str]:
    return allowed(world.member, world.project, text, alias="claude")


def test_a_refusal_says_how_to_ask(refused: Decided) -> None:
    error = denied(refused)
    asking = error.extra["approval"]
    assert asking["path"] == "/api/approvals"
    assert asking["decision"] == refused.permit.decision_id
    assert "send exactly the same body again" in error.message


def test_a_refusal_that_no_approval_would_lift_does_not(world: World) -> None:
    decided = decide_for(world.member, world.project, "IBAN DE89370400440532013000", alias="claude")
    assert "approval" not in denied(decided).extra


def test_exactly_the_approved_bytes_pass(world: World, refused: Decided) -> None:
    approval = ask(world, refused)
    assert (approval.rules, approval.alias) == (["project:ask-first"], "claude")
    assert approval.digest == refused.permit.digest
    assert goes(world) == []
    grant_approval(by=world.owner, approval=approval, note="go")
    assert goes(world) == ["claude"]
    assert goes(world, CODE + "\n") == []
    types = list(AuditEvent.objects.order_by("seq").values_list("type", flat=True))
    assert types[-2:] == ["approval.requested", "approval.granted"]


def test_it_runs_out(world: World, refused: Decided) -> None:
    grant_approval(by=world.owner, approval=ask(world, refused), lifetime=timedelta(hours=1))
    later = timezone.now() + timedelta(hours=2)
    decided = decide_for(world.member, world.project, CODE, alias="claude", now=later)
    assert not decided.permit.allowed
    for lifetime in (timedelta(), timedelta(days=31)):
        with pytest.raises(ValidationError):
            grant_approval(by=world.owner, approval=ask(world, refused), lifetime=lifetime)


def test_it_suspends_a_rule_only_while_that_rule_wants_an_approval(
    world: World, refused: Decided
) -> None:
    grant_approval(by=world.owner, approval=ask(world, refused))
    deny = {**ASK, "then": {"deny": True}}
    publish(by=SETUP, project=world.project, document=project_policy(deny))
    assert goes(world) == []


def test_it_never_lifts_a_clearance(world: World, tmp_path: Path) -> None:
    text = CODE + "# IBAN DE89370400440532013000"
    decided = decide_for(world.member, world.project, text, alias="auto")
    record(tmp_path, world.member, world.project, decided)
    grant_approval(by=world.owner, approval=ask(world, decided))
    assert allowed(world.member, world.project, text, alias="auto") == ["llama"]


def test_a_refused_one_stays_refused_and_is_decided_once(world: World, refused: Decided) -> None:
    approval = ask(world, refused)
    refuse_approval(by=world.owner, approval=approval, note="not this")
    assert goes(world) == []
    for again in (grant_approval, refuse_approval):
        with pytest.raises(Conflict, match="refused already"):
            again(by=world.owner, approval=approval)
    assert ask(world, refused).pk != approval.pk


def test_the_same_bytes_are_one_question(world: World, refused: Decided) -> None:
    assert ask(world, refused).pk == ask(world, refused).pk
    assert AuditEvent.objects.filter(type="approval.requested").count() == 1


def test_nobody_approves_their_own_request(world: World, refused: Decided) -> None:
    add_member(by=SETUP, project=world.project, user=world.member, role=Role.EDITOR)
    approval = ask(world, refused, by=world.owner)
    for who in (world.member, world.owner):
        with pytest.raises(PermissionDenied):
            grant_approval(by=who, approval=approval)
    grant_approval(by=world.admin, approval=approval)


@pytest.mark.parametrize(
    ("organisation_role", "role", "own", "organisations"),
    [
        (OrganisationRole.ADMIN, None, True, True),
        (OrganisationRole.APPROVER, None, True, False),
        (OrganisationRole.AUDITOR, None, False, False),
        (OrganisationRole.NONE, Role.OWNER, True, False),
        (OrganisationRole.NONE, Role.EDITOR, True, False),
        (OrganisationRole.NONE, Role.MEMBER, False, False),
        (OrganisationRole.NONE, Role.AUDITOR, False, False),
        (OrganisationRole.NONE, None, False, False),
    ],
)
def test_who_may_approve_what(
    world: World,
    tmp_path: Path,
    organisation_role: OrganisationRole,
    role: Role | None,
    own: bool,
    organisations: bool,
) -> None:
    bob = person("bob@sluice.example", organisation_role)
    if role is not None:
        add_member(by=SETUP, project=world.project, user=bob, role=role)
    for may, organisation in ((own, False), (organisations, True)):
        if organisation:
            publish(by=SETUP, project=world.project, document=project_policy())
            publish(by=SETUP, project=None, document=organisation_policy(ASK))
        decided = decide_for(world.member, world.project, f"{CODE}# {may}", alias="claude")
        record(tmp_path, world.member, world.project, decided)
        approval = ask(world, decided)
        if may:
            grant_approval(by=bob, approval=approval)
            assert approval.__class__.objects.get().state == ApprovalState.GRANTED
        else:
            for decide in (grant_approval, refuse_approval):
                with pytest.raises(PermissionDenied):
                    decide(by=bob, approval=approval)
        Approval.objects.all().delete()


class TestAsking:
    def test_of_others_takes_an_editor(self, world: World, refused: Decided) -> None:
        other = person("other@research.example")
        add_member(by=SETUP, project=world.project, user=other)
        with pytest.raises(ValidationError, match="no such decision"):
            ask(world, refused, by=other)
        assert ask(world, refused, by=world.owner).asked_by == f"user:{world.owner.pk}"

    def test_takes_a_member(self, world: World, refused: Decided) -> None:
        with pytest.raises(PermissionDenied):
            ask(world, refused, by=person("eve@elsewhere.example"))

    def test_about_an_unknown_decision_is_refused(self, world: World) -> None:
        with pytest.raises(ValidationError, match="no such decision"):
            ask_for_approval(by=world.owner, project=world.project, decision_id="dec_none")

    def test_about_what_no_approval_would_lift_is_refused(
        self, world: World, tmp_path: Path
    ) -> None:
        text = "IBAN DE89370400440532013000"
        decided = decide_for(world.member, world.project, text, alias="claude")
        record(tmp_path, world.member, world.project, decided)
        with pytest.raises(ValidationError, match="want of an approval"):
            ask(world, decided)

    def test_shows_up_for_who_may_decide(self, world: World, refused: Decided) -> None:
        approval = ask(world, refused)
        approver = person("bob@sluice.example", OrganisationRole.APPROVER)
        for who in (world.member, world.owner, world.admin, approver):
            assert list(approvals_for(who)) == [approval]
        other = person("other@research.example")
        add_member(by=SETUP, project=world.project, user=other)
        assert not approvals_for(other)
