"""From a draft to what is in effect: bases, roll-backs, and the second person."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import (
    add_member,
    change_organisation,
    deactivate_user,
    remove_member,
)
from gateway.accounts.services.second_person import SecondPersonNeeded
from gateway.audit.models import AuditEvent
from policies.models import PendingPublication, PolicyDraft, PublicationState
from policies.services.conflicts import Conflict
from policies.services.drafts import save_draft
from policies.services.judging import NotPublished
from policies.services.publications import (
    approve_publication,
    ask_for_publication,
    publish_draft,
    reject_publication,
    roll_back_or_ask,
    waiting_publications,
    withdraw_publication,
)
from policies.services.publishing import current_revision, publish, roll_back
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    CODE_STAYS,
    LLAMA_FIRST,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, make_world, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def approver(world: World) -> User:
    return person("bob@sluice.example", OrganisationRole.APPROVER)


def asks_for_everything() -> None:
    change_organisation(
        by=SETUP,
        second_person_for_widening=True,
        second_person_for_project_policies=True,
        second_person_for_organisation_policy=True,
    )


def number(world: World) -> int:
    revision = current_revision(world.project)
    return revision.number if revision is not None else 0


def test_a_draft_is_published_and_gone(world: World) -> None:
    save_draft(by=world.owner, project=world.project, document=project_policy(LLAMA_FIRST))
    done = publish_draft(by=world.owner, project=world.project, version=1, reason="faster")
    assert done.revision == current_revision(world.project)
    assert done.revision is not None
    assert done.revision.reason == "faster"
    assert not PolicyDraft.objects.exists()


def test_a_draft_of_another_version_or_base_is_not_published(world: World) -> None:
    save_draft(by=world.owner, project=world.project, document=project_policy(LLAMA_FIRST))
    with pytest.raises(Conflict):
        publish_draft(by=world.owner, project=world.project, version=2)
    publish(by=SETUP, project=world.project, document=project_policy(CLAUDE_FIRST))
    with pytest.raises(Conflict, match="revision 1 is in effect"):
        publish_draft(by=world.owner, project=world.project, version=1)
    assert PolicyDraft.objects.exists()


def test_a_wrong_base_is_refused_and_nothing_changes(world: World) -> None:
    publish(by=SETUP, project=world.project, document=project_policy(), base=0)
    with pytest.raises(Conflict):
        publish(by=SETUP, project=world.project, document=project_policy(LLAMA_FIRST), base=0)
    assert number(world) == 1


def test_rolling_back_publishes_the_old_document_as_a_new_revision(world: World) -> None:
    first = publish(by=SETUP, project=world.project, document=project_policy(LLAMA_FIRST))
    publish(by=SETUP, project=world.project, document=project_policy(CLAUDE_FIRST))
    third = roll_back(by=world.owner, project=world.project, number=1)
    assert (third.number, third.hash, third.reason) == (3, first.hash, "back to revision 1")
    with pytest.raises(ValidationError, match="no revision 9"):
        roll_back(by=world.owner, project=world.project, number=9)


def test_a_member_publishes_withdraws_and_rolls_back_nothing(world: World) -> None:
    publish(by=SETUP, project=world.project, document=project_policy())
    with pytest.raises(PermissionDenied):
        roll_back(by=world.member, project=world.project, number=1)
    with pytest.raises(PermissionDenied):
        publish_draft(by=world.member, project=world.project, version=1)
    pending = ask_for_publication(
        by=world.owner, project=world.project, document=project_policy(LLAMA_FIRST)
    )
    with pytest.raises(PermissionDenied):
        withdraw_publication(by=world.member, publication=pending)


class TestTheSecondPerson:
    @pytest.fixture(autouse=True)
    def switches(self, world: World) -> None:
        asks_for_everything()

    def wait(self, world: World) -> PendingPublication:
        save_draft(by=world.owner, project=world.project, document=project_policy(LLAMA_FIRST))
        done = publish_draft(by=world.owner, project=world.project, version=1, reason="why")
        assert done.revision is None
        assert done.waiting is not None
        return done.waiting

    def test_nothing_takes_effect_before_they_agree(self, world: World, approver: User) -> None:
        pending = self.wait(world)
        assert number(world) == 0
        assert list(waiting_publications()) == [pending]
        revision = approve_publication(by=approver, publication=pending)
        assert current_revision(world.project) == revision
        assert revision.author == f"user:{world.owner.pk}"
        assert revision.approved_by == f"user:{approver.pk}"
        assert not PolicyDraft.objects.exists()
        event = AuditEvent.objects.filter(type="policy.published").latest("seq")
        assert event.details["approved_by"] == f"user:{approver.pk}"

    def test_publishing_alone_is_refused(self, world: World) -> None:
        with pytest.raises(SecondPersonNeeded):
            publish(by=world.owner, project=world.project, document=project_policy())
        with pytest.raises(SecondPersonNeeded):
            publish(by=world.admin, project=None, document=organisation_policy())
        with pytest.raises(SecondPersonNeeded):
            publish(
                by=world.admin,
                project=world.project,
                document=project_policy(),
                approved_by=world.admin,
            )

    def test_the_author_is_never_the_second_person(self, world: World) -> None:
        done = publish_draft(
            by=world.admin,
            project=None,
            version=save_draft(
                by=world.admin, project=None, document=organisation_policy(CODE_STAYS)
            ).version,
        )
        assert done.waiting is not None
        with pytest.raises(PermissionDenied, match="second person"):
            approve_publication(by=world.admin, publication=done.waiting)
        with pytest.raises(PermissionDenied):
            reject_publication(by=world.admin, publication=done.waiting)
        assert current_revision(None) is None

    @pytest.mark.parametrize("who", ["owner", "member"])
    def test_neither_are_people_without_that_role(self, world: World, who: str) -> None:
        pending = ask_for_publication(
            by=world.admin, project=world.project, document=project_policy()
        )
        with pytest.raises(PermissionDenied):
            approve_publication(by=getattr(world, who), publication=pending)

    def test_a_deactivated_approver_agrees_to_nothing(self, world: World, approver: User) -> None:
        pending = self.wait(world)
        deactivate_user(by=SETUP, user=approver)
        with pytest.raises(PermissionDenied):
            approve_publication(by=approver, publication=pending)

    def test_an_author_who_lost_the_role_publishes_nothing(
        self, world: World, approver: User
    ) -> None:
        pending = self.wait(world)
        remove_member(by=SETUP, project=world.project, user=world.owner)
        with pytest.raises(Conflict, match="may not publish"):
            approve_publication(by=approver, publication=pending)
        assert number(world) == 0

    def test_what_changed_since_is_looked_at_again(self, world: World, approver: User) -> None:
        pending = self.wait(world)
        publish(
            by=world.owner,
            project=world.project,
            document=project_policy(CLAUDE_FIRST),
            approved_by=approver,
        )
        with pytest.raises(Conflict, match="revision 1 is in effect"):
            approve_publication(by=approver, publication=pending)
        pending.refresh_from_db()
        assert pending.state == PublicationState.WAITING

    def test_rejected_and_withdrawn_ones_are_closed_for_good(
        self, world: World, approver: User
    ) -> None:
        pending = self.wait(world)
        reject_publication(by=approver, publication=pending, note="too wide")
        event = AuditEvent.objects.latest("seq")
        assert (event.type, event.details["note"]) == ("publication.rejected", "too wide")
        for again in (approve_publication, reject_publication):
            with pytest.raises(Conflict, match="rejected already"):
                again(by=approver, publication=pending)
        done = publish_draft(by=world.owner, project=world.project, version=1)
        assert done.waiting is not None
        withdraw_publication(by=world.owner, publication=done.waiting)
        with pytest.raises(Conflict, match="withdrawn already"):
            approve_publication(by=approver, publication=done.waiting)
        assert number(world) == 0

    def test_one_at_a_time_waits(self, world: World) -> None:
        self.wait(world)
        with pytest.raises(Conflict, match="waits"):
            publish_draft(by=world.owner, project=world.project, version=1)

    def test_a_roll_back_waits_as_well(self, world: World, approver: User) -> None:
        for document in (project_policy(LLAMA_FIRST), project_policy(CLAUDE_FIRST)):
            publish(by=SETUP, project=world.project, document=document, approved_by=approver)
        done = roll_back_or_ask(by=world.owner, project=world.project, number=1)
        assert done.waiting is not None
        assert number(world) == 2
        assert approve_publication(by=approver, publication=done.waiting).number == 3

    def test_what_does_not_hold_is_not_even_asked_for(self, world: World) -> None:
        test = {"text": "hi", "alias": "auto", "expect": {"deployment": "claude"}}
        with pytest.raises(NotPublished):
            ask_for_publication(
                by=world.owner,
                project=world.project,
                document=project_policy(LLAMA_FIRST, tests=[test]),
            )
        assert not PendingPublication.objects.exists()


def test_only_what_widens_takes_a_second_person_where_that_is_the_rule(
    world: World, approver: User
) -> None:
    change_organisation(by=SETUP, second_person_for_widening=True)
    add_member(by=SETUP, project=world.project, user=approver, role=Role.EDITOR)
    publish(by=world.owner, project=world.project, document=project_policy(CODE_STAYS))
    with pytest.raises(SecondPersonNeeded):
        publish(by=world.owner, project=world.project, document=project_policy())
    publish(by=world.owner, project=world.project, document=project_policy(), approved_by=approver)
    assert number(world) == 2
