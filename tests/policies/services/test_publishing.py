"""Publishing: nothing takes effect that does not hold, and what took effect stays readable."""

import pytest
from django.core.exceptions import PermissionDenied

from gateway.accounts.models import ControlVersion
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member
from gateway.audit.models import AuditEvent
from gateway.deployments.services import add_grant, create_deployment, remove_grant
from gateway.snapshot.now import snapshot_now
from policies.engine.document import DocumentError
from policies.models import Immutable, PolicyRevision
from policies.services import current_revision, publish, validate
from policies.services.word_lists import set_word_list
from tests.support.world import SETUP, World, local_spec, make_world, person, project_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def document(*rules: object, **more: object) -> dict[str, object]:
    return {"kind": "project-policy", "project": "research", "rules": list(rules), **more}


PREFER = {"id": "first", "then": {"prefer": ["llama"]}}


def test_a_revision_is_numbered_and_records_who_and_why(world: World) -> None:
    first = publish(by=world.owner, project=world.project, document=document(), reason="begin")
    second = publish(by=world.owner, project=world.project, document=document(PREFER))
    assert (first.number, second.number) == (1, 2)
    assert (first.author, first.reason) == (f"user:{world.owner.pk}", "begin")
    assert current_revision(world.project) == second
    event = AuditEvent.objects.filter(type="policy.published").latest("seq")
    assert event.details["previous"] == first.hash
    assert event.details["rules"] == ["first"]


def test_the_event_says_how_a_revision_widens(world: World) -> None:
    deny = {"id": "stop", "when": {"category": "health"}, "then": {"deny": True}}
    publish(by=SETUP, project=world.project, document=document(deny))
    publish(by=SETUP, project=world.project, document=document(relax=["images"]))
    first, second = AuditEvent.objects.filter(type="policy.published").order_by("seq")
    assert first.details["widens"] == []
    assert second.details["widens"] == ["rule stop is removed", "relax: images"]


def test_publishing_the_same_again_changes_nothing(world: World) -> None:
    first = publish(by=SETUP, project=world.project, document=document(PREFER))
    version = ControlVersion.objects.get().version
    assert publish(by=SETUP, project=world.project, document=document(PREFER)) == first
    assert ControlVersion.objects.get().version == version


def test_a_revision_never_changes(world: World) -> None:
    revision = publish(by=SETUP, project=world.project, document=document())
    revision.document = {}
    with pytest.raises(Immutable):
        revision.save()
    with pytest.raises(Immutable):
        revision.delete()
    with pytest.raises(Immutable):
        PolicyRevision.objects.all().delete()
    with pytest.raises(Immutable):
        PolicyRevision.objects.update(document={})


@pytest.mark.parametrize(
    "wrong",
    [
        document({"id": "x", "then": {"prefer": ["lama"]}}),
        document({"id": "x", "when": {"group": "doctors"}, "then": {"deny": True}}),
        document({"id": "x", "when": {"data_class": "CODENAMES"}, "then": {"deny": True}}),
        document(project="other"),
        document(kind="organisation-policy"),
        document(florr="internal"),
        {},
    ],
)
def test_what_does_not_hold_is_not_published(world: World, wrong: dict[str, object]) -> None:
    with pytest.raises(DocumentError):
        validate(wrong, project=world.project)
    with pytest.raises(DocumentError):
        publish(by=SETUP, project=world.project, document=wrong)
    assert current_revision(world.project) is None


def test_a_word_list_gives_its_data_class_to_rules(world: World) -> None:
    set_word_list(
        by=world.owner, project=world.project, name="codenames", category="legal", words=["x"]
    )
    rule = {"id": "x", "when": {"data_class": "CODENAMES"}, "then": {"deny": True}}
    assert publish(by=SETUP, project=world.project, document=document(rule)).number == 1


def test_a_project_cannot_name_what_is_not_granted_to_it(world: World) -> None:
    foreign = create_deployment(by=SETUP, spec=local_spec("others-model"))
    rule = {"id": "x", "then": {"allow_only": {"deployment": foreign.name}}}
    with pytest.raises(DocumentError, match="There is no deployment 'others-model'") as caught:
        publish(by=SETUP, project=world.project, document=document(rule))
    assert "others" not in caught.value.problems[0].advice
    with pytest.raises(DocumentError) as caught:
        validate(document({"id": "x", "then": {"prefer": ["none"]}}), project=world.project)
    assert "others-model" not in str(caught.value)
    add_grant(by=SETUP, project=world.project, deployment=foreign)
    assert publish(by=SETUP, project=world.project, document=document(rule)).number == 1


def test_a_project_cannot_name_another_ones_word_list(world: World) -> None:
    other, _ = project_with("other")
    for project, name in ((other, "codenames"), (other, "clients"), (world.project, "clients")):
        set_word_list(by=SETUP, project=project, name=name, category="legal", words=["x"])
    foreign = {"id": "x", "when": {"data_class": "CODENAMES"}, "then": {"deny": True}}
    with pytest.raises(DocumentError):
        publish(by=SETUP, project=world.project, document=document(foreign))
    own = {"id": "x", "when": {"data_class": "CLIENTS"}, "then": {"deny": True}}
    assert publish(by=SETUP, project=world.project, document=document(own)).number == 1


def test_a_grant_withdrawn_leaves_the_policy_in_effect(world: World) -> None:
    rule = {"id": "x", "then": {"allow_only": {"deployment": "llama"}}}
    publish(by=SETUP, project=world.project, document=document(rule))
    remove_grant(by=SETUP, project=world.project, deployment=world.local)
    policy = snapshot_now().projects["research"].policy
    assert [rule.key for rule in policy.rules] == ["project:x"]
    assert set(policy.deployments) == {"claude"}
    # The organisation may still publish, and the project must name what it has.
    publish(by=SETUP, project=None, document={"kind": "organisation-policy", "floor": "internal"})
    with pytest.raises(DocumentError):
        publish(by=SETUP, project=world.project, document=document(rule, floor="restricted"))


def test_a_category_of_the_organisation_is_known_to_projects(world: World) -> None:
    rule = {"id": "x", "when": {"category": "export_control"}, "then": {"deny": True}}
    with pytest.raises(DocumentError):
        publish(by=SETUP, project=world.project, document=document(rule))
    organisation = {"kind": "organisation-policy", "categories": {"export_control": "restricted"}}
    publish(by=SETUP, project=None, document=organisation)
    publish(by=SETUP, project=world.project, document=document(rule))
    # Taking it away again would leave the project's rule without a meaning.
    with pytest.raises(DocumentError, match="research"):
        publish(by=SETUP, project=None, document={"kind": "organisation-policy"})


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(Role.OWNER, True), (Role.EDITOR, True), (Role.MEMBER, False), (Role.AUDITOR, False)],
)
def test_editors_publish_for_their_project_alone(world: World, role: Role, allowed: bool) -> None:
    ada = person("ada@sluice.example")
    add_member(by=SETUP, project=world.project, user=ada, role=role)
    other, _ = project_with("other")
    if allowed:
        publish(by=ada, project=world.project, document=document())
    else:
        with pytest.raises(PermissionDenied):
            publish(by=ada, project=world.project, document=document())
    for project, wanted in (
        (other, {"kind": "project-policy", "project": "other"}),
        (None, {"kind": "organisation-policy"}),
    ):
        with pytest.raises(PermissionDenied):
            publish(by=ada, project=project, document=wanted)


def test_the_organisations_policy_is_published_by_admins(world: World) -> None:
    approver = person("bob@sluice.example", OrganisationRole.APPROVER)
    wanted = {"kind": "organisation-policy"}
    with pytest.raises(PermissionDenied):
        publish(by=approver, project=None, document=wanted)
    publish(by=world.admin, project=None, document=wanted)
    assert current_revision(None) is not None
