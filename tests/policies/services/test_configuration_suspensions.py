"""Exceptions, shadows and the second person in `sluice.yaml`; its policies are judged."""

from datetime import timedelta

import pytest
import yaml
from django.utils import timezone

from gateway.accounts.models import Organisation
from gateway.accounts.services.second_person import SecondPersonNeeded
from policies.models import RuleException
from policies.services.configuration import (
    Authority,
    ConfigFile,
    ConfigurationError,
    WideningRefused,
    apply,
    diff,
    export,
)
from policies.services.publishing import current_revision, publish
from policies.services.shadows import shadow_of
from tests.policies.services.deciding import allowed
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    CODE,
    CODE_NEVER_LEAVES,
    CODE_STAYS,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    made = make_world()
    publish(by=SETUP, project=made.project, document=project_policy(CODE_STAYS, CLAUDE_FIRST))
    return made


def exceptions(**changes: object) -> dict[str, object]:
    ends = (timezone.now() + timedelta(days=3)).isoformat()
    entry = {
        "rules": ["project:code-stays"],
        "owner": "owner@research.example",
        "reason": "a trial",
        "ends_at": ends,
        "aliases": ["auto"],
    }
    return {"trial": {**entry, **changes}}


def config(**project: object) -> ConfigFile:
    return ConfigFile(
        yaml.dump({"projects": [{"slug": "research", "name": "research", **project}]})
    )


def bring(file: ConfigFile, **options: bool) -> None:
    apply(file, authority=Authority(SETUP), **{"yes_widen": True, **options})


def test_an_exception_is_made_changed_and_pruned(world: World) -> None:
    file = config(exceptions=exceptions())
    with pytest.raises(WideningRefused, match="suspends project:code-stays until"):
        bring(file, yes_widen=False)
    bring(file)
    assert allowed(world.member, world.project, CODE) == ["claude", "llama"]
    assert diff(file).as_text() == ""
    bring(config(exceptions=exceptions(reason="another")))
    assert RuleException.objects.filter(ended_at__isnull=True).get().reason == "another"
    bring(config(exceptions={}))
    assert RuleException.objects.filter(ended_at__isnull=True).exists()
    bring(config(exceptions={}), prune=True)
    assert allowed(world.member, world.project, CODE) == ["llama"]


def test_what_is_exported_changes_nothing_when_applied(world: World) -> None:
    shadow = project_policy(CODE_STAYS)
    bring(config(exceptions=exceptions(), shadow=shadow))
    text = export()
    (project,) = yaml.safe_load(text)["projects"]
    assert project["shadow"] == shadow
    assert list(project["exceptions"]) == ["trial"]
    assert diff(ConfigFile(text), prune=True).as_text() == ""


def test_an_exception_whose_end_is_past_is_left_alone(world: World) -> None:
    bring(config(exceptions=exceptions(ends_at="2020-01-01T00:00:00Z")))
    assert not RuleException.objects.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rules": ["code-stays"]}, "is not a rule"),
        ({"rules": ["project:none"]}, "not in effect"),
        ({"owner": "nobody@elsewhere.example"}, "exception trial of research"),
        ({"ends_at": "soon"}, "no time"),
        ({"aliases": ["gpt"]}, "Not known here: gpt"),
        ({"until": "soon"}, "There is no field 'until'"),
    ],
)
def test_a_wrong_exception_refuses_the_whole_file(
    world: World, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        bring(config(name="Changed", exceptions=exceptions(**changes)))
    world.project.refresh_from_db()
    assert world.project.name == "research"


def test_a_policy_in_shadow_is_read_as_a_policy_is(world: World) -> None:
    bring(config(shadow={"kind": "organisation-policy", "rules": [CODE_STAYS]}))
    shadow = shadow_of(world.project)
    assert shadow is not None
    assert shadow.source == "configuration file"
    with pytest.raises(ConfigurationError, match="no field 'rule'"):
        bring(config(shadow={"kind": "project-policy", "rule": []}))


def test_the_switches_are_carried_and_hold_for_the_next_file(world: World) -> None:
    switches = {
        "second_person_for_organisation_policy": True,
        "second_person_for_project_policies": True,
    }
    bring(ConfigFile(yaml.dump({"organisation": switches})))
    organisation = Organisation.load()
    assert organisation.second_person_for_organisation_policy
    assert organisation.second_person_for_project_policies
    file = config(policy=project_policy(CLAUDE_FIRST))
    with pytest.raises(SecondPersonNeeded):
        bring(file)
    apply(file, authority=Authority(SETUP, world.admin), yes_widen=True)
    revision = current_revision(world.project)
    assert revision is not None
    assert revision.approved_by == f"user:{world.admin.pk}"
    with pytest.raises(SecondPersonNeeded):
        bring(ConfigFile(yaml.dump({"organisation": dict.fromkeys(switches, False)})))


def test_a_policy_whose_test_fails_refuses_the_whole_file(world: World) -> None:
    test = {"text": "hello", "alias": "auto", "expect": {"deployment": "llama"}}
    file = config(name="Changed", policy=project_policy(CLAUDE_FIRST, tests=[test]))
    with pytest.raises(ConfigurationError, match=r"(?s)/tests/0: .*it goes to claude"):
        bring(file)
    world.project.refresh_from_db()
    assert world.project.name == "research"


def test_a_files_policies_are_judged_once_all_of_it_is_in_place(world: World) -> None:
    # The organisation's statement holds only with the project's new rule.
    publish(by=SETUP, project=world.project, document=project_policy())
    organisation = organisation_policy(never=[CODE_NEVER_LEAVES])
    projects = [{"slug": "research", "name": "research", "policy": project_policy(CODE_STAYS)}]
    text = yaml.dump({"organisation": {"policy": organisation}, "projects": projects})
    with pytest.raises(ConfigurationError, match="In a project without rules"):
        bring(ConfigFile(text))
    bring(ConfigFile(yaml.dump({"projects": projects})))
    assert allowed(world.member, world.project, CODE) == ["llama"]
