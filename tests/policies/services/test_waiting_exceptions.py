"""Exceptions where a second person is asked for: they wait, suspend nothing, and never by their
author's word alone."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from gateway.accounts.acting import System, acting_of, actor_name
from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, change_organisation
from gateway.accounts.services.people import change_user_role
from gateway.audit.models import AuditEvent
from policies.models import RuleException, WaitingException
from policies.services.conflicts import Conflict
from policies.services.exceptions import ExceptionWanted, create_exception
from policies.services.judging import NotPublished
from policies.services.publishing import publish
from policies.services.waiting_exceptions import (
    approve_exception,
    create_or_ask,
    may_agree,
    reject_exception,
    waiting_exceptions_for,
    withdraw_exception,
)
from tests.policies.services.deciding import allowed
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
STAYS = "When the data is of category code: only on-prem deployments may receive it."


@dataclass(frozen=True)
class Stage:
    world: World
    editor: User
    second: User
    approver: User
    auditor: User


@pytest.fixture
def stage() -> Stage:
    world = make_world()
    editor = person("editor@research.example")
    add_member(by=SETUP, project=world.project, user=editor, role=Role.EDITOR)
    publish(by=SETUP, project=world.project, document=project_policy(CODE_STAYS, CLAUDE_FIRST))
    change_organisation(by=SETUP, second_person_for_widening=True)
    return Stage(
        world=world,
        editor=editor,
        second=person("second@sluice.example", OrganisationRole.ADMIN),
        approver=person("approver@sluice.example", OrganisationRole.APPROVER),
        auditor=person("auditor@sluice.example", OrganisationRole.AUDITOR),
    )


def wanted(*rules: str, **changes: object) -> ExceptionWanted:
    defaults: dict[str, object] = {
        "name": "trial",
        "rules": rules or (OURS,),
        "reason": "a trial",
        "ends_at": timezone.now() + timedelta(days=1),
        "aliases": ("auto",),
    }
    return ExceptionWanted(**(defaults | changes))  # type: ignore[arg-type]


def asked(stage: Stage, by: User | None = None, **changes: object) -> WaitingException:
    done = create_or_ask(
        by=by or stage.editor,
        project=stage.world.project,
        wanted=wanted(**changes),
        owner=stage.world.owner,
    )
    assert done.exception is None
    assert done.waiting is not None
    return done.waiting


def where(stage: Stage) -> list[str]:
    return allowed(stage.world.member, stage.world.project, CODE)


def events() -> list[str]:
    rows = AuditEvent.objects.filter(type__startswith="exception.").order_by("seq")
    return list(rows.values_list("type", flat=True))


def test_it_waits_suspends_nothing_and_holds_once_somebody_else_agrees(stage: Stage) -> None:
    waiting = asked(stage)
    assert where(stage) == ["llama"]
    assert not RuleException.objects.exists()
    assert waiting.says == {OURS: STAYS}
    row = approve_exception(by=stage.approver, waiting=waiting, note="until the move")
    assert where(stage) == ["claude", "llama"]
    assert (row.rules, row.aliases, row.owner) == ([OURS], ["auto"], stage.world.owner)
    assert row.created_by == actor_name(stage.editor)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.exception, waiting.note) == ("approved", row, "until the move")
    assert events() == ["exception.requested", "exception.created"]
    made = AuditEvent.objects.get(type="exception.created")
    assert made.actor == actor_name(stage.editor)
    assert made.details["approved_by"] == actor_name(stage.approver)


def test_nothing_waits_where_no_second_person_is_asked_for(stage: Stage) -> None:
    change_organisation(by=SETUP, second_person_for_widening=False, approved_by=stage.second)
    done = create_or_ask(
        by=stage.editor, project=stage.world.project, wanted=wanted(), owner=stage.world.owner
    )
    assert done.waiting is None
    assert done.exception == RuleException.objects.get()


@pytest.mark.parametrize("who", ["auditor", "editor", "owner", "author"])
def test_neither_its_author_nor_who_is_no_reviewer_agrees_or_rejects(
    stage: Stage, who: str
) -> None:
    author = stage.second if who == "author" else stage.editor
    waiting = asked(stage, by=author)
    by = {
        "auditor": stage.auditor,
        "editor": stage.editor,
        "owner": stage.world.owner,
        "author": stage.second,
    }[who]
    assert not may_agree(by, waiting)
    with pytest.raises(PermissionDenied):
        approve_exception(by=by, waiting=waiting)
    with pytest.raises(PermissionDenied):
        reject_exception(by=by, waiting=waiting)
    assert where(stage) == ["llama"]
    assert may_agree(stage.world.admin, waiting)


def test_who_lost_the_role_or_the_account_agrees_to_nothing(stage: Stage) -> None:
    waiting = asked(stage)
    change_user_role(by=SETUP, user=stage.approver, role=OrganisationRole.NONE)
    with pytest.raises(PermissionDenied):
        approve_exception(by=stage.approver, waiting=waiting)
    stage.second.is_active = False
    with pytest.raises(PermissionDenied):
        approve_exception(by=stage.second, waiting=waiting)


def test_a_rule_that_says_something_else_since_is_not_suspended(stage: Stage) -> None:
    waiting, project = asked(stage), stage.world.project

    def now(*rules: object) -> None:
        document = project_policy(*rules)
        publish(by=SETUP, project=project, document=document, approved_by=stage.second)

    now({**CODE_STAYS, "when": {"category": ["code", "health"]}})
    with pytest.raises(Conflict, match="says something else"):
        approve_exception(by=stage.approver, waiting=waiting)
    now()
    with pytest.raises(Conflict, match="or is gone"):
        approve_exception(by=stage.approver, waiting=waiting)
    assert not RuleException.objects.exists()
    now(CODE_STAYS)
    approve_exception(by=stage.approver, waiting=waiting)


def test_an_author_who_may_not_any_more_suspends_nothing(stage: Stage) -> None:
    waiting = asked(stage)
    add_member(by=SETUP, project=stage.world.project, user=stage.editor, role=Role.MEMBER)
    with pytest.raises(Conflict, match="may not suspend"):
        approve_exception(by=stage.approver, waiting=waiting)
    WaitingException.objects.update(author="user:no-such")
    with pytest.raises(Conflict, match="gone"):
        approve_exception(by=stage.approver, waiting=waiting)
    assert not RuleException.objects.exists()


def test_rules_of_the_organisation_are_asked_for_by_admins(stage: Stage) -> None:
    publish(by=SETUP, project=None, document=organisation_policy(CODE_STAYS))
    theirs = "organisation:code-stays"
    with pytest.raises(PermissionDenied):
        asked(stage, rules=(theirs,))
    assert asked(stage, by=stage.second, rules=(theirs,)).rules == [theirs]


def test_what_could_not_be_made_is_not_asked_for(stage: Stage) -> None:
    with pytest.raises(ValidationError) as caught:
        asked(stage, rules=("project:unknown",))
    assert list(caught.value.message_dict) == ["rules"]
    document = project_policy(CODE_STAYS, never=[CODE_NEVER_LEAVES])
    publish(by=SETUP, project=stage.world.project, document=document)
    with pytest.raises(NotPublished, match="could not state"):
        asked(stage)
    assert not WaitingException.objects.exists()


def test_it_is_proven_again_when_somebody_agrees(stage: Stage) -> None:
    waiting = asked(stage)
    document = project_policy(CODE_STAYS, never=[CODE_NEVER_LEAVES])
    publish(by=SETUP, project=stage.world.project, document=document)
    with pytest.raises(NotPublished, match="could not state"):
        approve_exception(by=stage.approver, waiting=waiting)
    waiting.refresh_from_db()
    assert waiting.state == "waiting"


def test_it_ends_before_it_began_when_its_date_passes_first(stage: Stage) -> None:
    waiting = asked(stage)
    WaitingException.objects.update(ends_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(ValidationError, match="past"):
        approve_exception(by=stage.approver, waiting=waiting)


def test_rejected_and_taken_back_it_waits_no_more(stage: Stage) -> None:
    waiting = asked(stage)
    with pytest.raises(ValidationError, match="already"):
        asked(stage)
    reject_exception(by=stage.approver, waiting=waiting, note="no contract yet")
    with pytest.raises(Conflict, match="rejected already"):
        approve_exception(by=stage.second, waiting=waiting)
    again = asked(stage)
    with pytest.raises(PermissionDenied):
        withdraw_exception(by=stage.world.member, waiting=again)
    withdraw_exception(by=stage.world.owner, waiting=again)
    with pytest.raises(Conflict, match="withdrawn already"):
        approve_exception(by=stage.second, waiting=again)
    assert events() == [
        "exception.requested",
        "exception.rejected",
        "exception.requested",
        "exception.withdrawn",
    ]
    assert AuditEvent.objects.get(type="exception.rejected").details["note"] == "no contract yet"


def test_seen_by_who_may_agree_and_by_the_projects_editors(stage: Stage) -> None:
    waiting = asked(stage)
    for who in (stage.editor, stage.world.owner, stage.second, stage.approver):
        assert list(waiting_exceptions_for(who)) == [waiting]
    for who in (stage.auditor, stage.world.member, person("eve@elsewhere.example")):
        assert not waiting_exceptions_for(who).exists()


def test_a_name_that_is_taken_meanwhile_is_refused(stage: Stage) -> None:
    waiting = asked(stage)
    create_exception(
        by=stage.second,
        project=stage.world.project,
        wanted=wanted(),
        owner=stage.world.owner,
        approved_by=stage.approver,
    )
    with pytest.raises(ValidationError, match="of this name"):
        approve_exception(by=stage.approver, waiting=waiting)


def test_who_wrote_something_is_found_again_or_nobody_is(stage: Stage) -> None:
    for by in (stage.editor, System("console")):
        assert acting_of(actor_name(by)) == by
    for name in ("user:x", "user:00000000-0000-0000-0000-000000000000", "key:sk-1", ""):
        assert acting_of(name) is None
