"""Exceptions: named rules out of effect, by whom it may, where it says, until it ends."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, change_organisation, create_api_key, set_group
from gateway.accounts.services.second_person import SecondPersonNeeded
from gateway.audit.models import AuditEvent
from policies.models import RuleException
from policies.services.exceptions import (
    ExceptionWanted,
    create_exception,
    end_exception,
    exceptions_of,
)
from policies.services.judging import NotPublished
from policies.services.overview import overview
from policies.services.publishing import publish
from tests.policies.services.deciding import allowed, decide_for
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    CODE,
    CODE_NEVER_LEAVES,
    CODE_STAYS,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, make_world, person

pytestmark = pytest.mark.django_db
OURS = "project:code-stays"
THEIRS = "organisation:code-stays"


@pytest.fixture
def world() -> World:
    made = make_world()
    publish(by=SETUP, project=None, document=organisation_policy(CODE_STAYS))
    publish(by=SETUP, project=made.project, document=project_policy(CODE_STAYS, CLAUDE_FIRST))
    return made


def wanted(*rules: str, **changes: object) -> ExceptionWanted:
    defaults: dict[str, object] = {
        "name": "trial",
        "rules": rules or (OURS, THEIRS),
        "reason": "a trial",
        "ends_at": timezone.now() + timedelta(days=1),
    }
    return ExceptionWanted(**(defaults | changes))  # type: ignore[arg-type]


def create(world: World, *rules: str, **changes: object) -> RuleException:
    return create_exception(
        by=world.admin, project=world.project, wanted=wanted(*rules, **changes), owner=world.owner
    )


def where(world: World) -> list[str]:
    return allowed(world.member, world.project, CODE)


def test_an_exception_suspends_its_rules_and_no_others(world: World) -> None:
    assert where(world) == ["llama"]
    create(world, OURS)
    assert where(world) == ["llama"]
    create(world, THEIRS, name="second")
    assert where(world) == ["claude", "llama"]
    permit = decide_for(world.member, world.project, CODE).permit
    assert [rule.key for rule in permit.suspended] == [THEIRS, OURS]


def test_it_never_suspends_a_clearance(world: World) -> None:
    create(world)
    text = "transfer to DE89 3704 0044 0532 0130 00"
    assert allowed(world.member, world.project, text) == ["llama"]


def test_the_rules_hold_again_when_it_ends_by_date_or_by_hand(world: World) -> None:
    row = create(world)
    later = timezone.now() + timedelta(days=2)
    decided = decide_for(world.member, world.project, CODE, now=later)
    assert [item.deployment for item in decided.permit.candidates] == ["llama"]
    end_exception(by=world.owner, exception=row, reason="enough")
    assert where(world) == ["llama"]
    assert row.ended_by == f"user:{world.owner.pk}"
    events = AuditEvent.objects.filter(type="exception.ended")
    end_exception(by=world.owner, exception=row)
    assert [event.details["reason"] for event in events] == ["enough"]


@pytest.mark.parametrize("scope", ["groups", "aliases", "keys"])
def test_it_covers_only_what_it_names(world: World, scope: str) -> None:
    set_group(by=SETUP, slug="doctors", members=[world.owner])
    key = create_api_key(by=SETUP, project=world.project, name="k", owner=world.owner).key
    named = {"groups": "doctors", "aliases": "claude", "keys": key.prefix}[scope]
    create(world, **{scope: (named,)})
    assert where(world) == ["llama"]
    if scope == "groups":
        assert allowed(world.owner, world.project, CODE) == ["claude", "llama"]
    if scope == "aliases":
        assert allowed(world.member, world.project, CODE, alias="claude") == ["claude"]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.AUDITOR, Role.EDITOR, Role.OWNER])
def test_editors_suspend_their_projects_rules_and_admins_the_organisations(
    world: World, role: Role
) -> None:
    ada = person("ada@sluice.example", OrganisationRole.APPROVER)
    add_member(by=SETUP, project=world.project, user=ada, role=role)
    for rules in ((THEIRS,), (OURS, THEIRS)):
        with pytest.raises(PermissionDenied):
            create_exception(
                by=ada, project=world.project, wanted=wanted(*rules), owner=world.owner
            )
    if role in {Role.EDITOR, Role.OWNER}:
        row = create_exception(
            by=ada, project=world.project, wanted=wanted(OURS), owner=world.owner
        )
        end_exception(by=ada, exception=row)
    else:
        row = create(world, OURS)
        with pytest.raises(PermissionDenied):
            create_exception(
                by=ada, project=world.project, wanted=wanted(OURS, name="x"), owner=world.owner
            )
        with pytest.raises(PermissionDenied):
            end_exception(by=ada, exception=row)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "no spaces"}, "name"),
        ({"rules": ()}, "rules"),
        ({"rules": ("project:unknown",)}, "rules"),
        ({"rules": ("code-stays",)}, "rules"),
        ({"reason": "  "}, "reason"),
        ({"ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, "ends_at"),
        ({"ends_at": datetime(2199, 1, 1, tzinfo=UTC)}, "ends_at"),
        ({"groups": ("nobody",)}, "groups"),
        ({"keys": ("sk-sluice-unknown1",)}, "keys"),
        ({"aliases": ("gpt",)}, "aliases"),
    ],
)
def test_a_wrong_one_is_refused_with_its_field(
    world: World, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        create(world, **changes)
    assert list(caught.value.message_dict) == [field]
    assert not RuleException.objects.exists()


def test_its_owner_is_somebody_who_is_there(world: World) -> None:
    with pytest.raises(ValidationError, match="owner"):
        create_exception(
            by=world.admin,
            project=world.project,
            wanted=wanted(),
            owner=person("stranger@elsewhere.example"),
        )


def test_a_name_is_free_again_once_its_exception_has_ended(world: World) -> None:
    row = create(world)
    with pytest.raises(ValidationError, match="name"):
        create(world)
    end_exception(by=world.admin, exception=row)
    create(world)
    assert len(exceptions_of(world.project)) == 2


def test_it_takes_a_second_person_where_widening_does(world: World) -> None:
    change_organisation(by=SETUP, second_person_for_widening=True)
    with pytest.raises(SecondPersonNeeded):
        create(world)
    approver = person("bob@sluice.example", OrganisationRole.APPROVER)
    create_exception(
        by=world.admin,
        project=world.project,
        wanted=wanted(),
        owner=world.owner,
        approved_by=approver,
    )
    event = AuditEvent.objects.latest("seq")
    assert event.details["approved_by"] == f"user:{approver.pk}"


def test_it_is_refused_while_a_never_statement_would_not_hold_with_it(world: World) -> None:
    publish(
        by=SETUP,
        project=None,
        document=organisation_policy(CODE_STAYS, never=[CODE_NEVER_LEAVES]),
    )
    create(world, OURS)
    with pytest.raises(NotPublished, match="the organisation could not state"):
        create(world, THEIRS, name="second")
    # And the other way round: what an exception suspends today is suspended in the proof.
    with pytest.raises(NotPublished, match="/never/0"):
        publish(
            by=SETUP,
            project=None,
            document=organisation_policy(never=[CODE_NEVER_LEAVES]),
        )


def test_it_stands_wherever_the_policy_is_shown(world: World) -> None:
    create(world)
    assert [row.name for row in overview(None).exceptions] == ["trial"]
    shown = overview(world.project)
    assert [row.name for row in shown.exceptions] == ["trial"]
    assert [rule.suspended_by for rule in shown.rules] == [("trial",), ()]
