"""`manage.py policy`: the life of a policy from the shell."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from gateway.accounts.services import change_organisation
from policies.services.publishing import current_revision
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    CODE_NEVER_LEAVES,
    CODE_STAYS,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db
RESEARCH = ("--project", "research")


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("policy", *words, stdout=out)
    return out.getvalue()


def test_a_file_is_published_shown_compared_and_rolled_back(world: World, file: Path) -> None:
    file.write_text(json.dumps(project_policy(CODE_STAYS)))
    who = ("--by", world.owner.email)
    assert "revision 1 (" in run("publish", str(file), *RESEARCH, *who, "--reason", "begin")
    file.write_text(json.dumps(project_policy(CLAUDE_FIRST)))
    run("publish", str(file), *RESEARCH)
    told = run("diff", "1", "2", *RESEARCH)
    assert "New rule claude-first: Always: claude first." in told
    assert "Rule code-stays is gone." in told
    assert "WIDENS: rule code-stays is removed" in told
    changes = json.loads(run("diff", "1", "current", *RESEARCH, "--json"))
    assert changes["rules"]["removed"] == [CODE_STAYS]
    assert "claude-first: Always: claude first." in run("show", *RESEARCH)
    assert json.loads(run("show", *RESEARCH, "--json")) == project_policy(CLAUDE_FIRST)
    assert "revision 3" in run("rollback", "1", *RESEARCH)
    history = run("history", *RESEARCH).splitlines()
    assert [line[:3] for line in history] == ["* 3", "  2", "  1"]
    assert f"user:{world.owner.pk}: begin" in history[2]


def test_testing_says_which_test_fails_and_ends_with_1(world: World, file: Path) -> None:
    test = {"text": "hi", "alias": "auto", "expect": {"deployment": "llama"}}
    file.write_text(
        json.dumps(project_policy(CLAUDE_FIRST, tests=[test, {**test, "alias": "llama"}]))
    )
    with pytest.raises(CommandError, match=r"(?s)/tests/0.*it goes to claude"):
        run("test", str(file), *RESEARCH)
    with pytest.raises(CommandError, match="/tests/0"):
        run("publish", str(file), *RESEARCH)
    assert current_revision(world.project) is None
    file.write_text(json.dumps(project_policy(tests=[test])))
    assert "ok   /tests/0 model auto: llama (on_prem)" in run("test", str(file), *RESEARCH)


def test_proving_shows_a_counterexample(world: World, file: Path) -> None:
    file.write_text(json.dumps(organisation_policy(never=[CODE_NEVER_LEAVES])))
    with pytest.raises(CommandError, match="reaches claude"):
        run("prove", str(file))
    file.write_text(json.dumps(organisation_policy(CODE_STAYS, never=[CODE_NEVER_LEAVES])))
    assert run("check", str(file)).count("Holds: all") == 2


def test_a_wrong_file_is_refused_with_its_place(world: World, file: Path) -> None:
    file.write_text("kind: project-policy\nproject: research\nrules:\n  - {id: x, then: {deny: 3}}")
    with pytest.raises(CommandError, match="/rules/0/then/deny"):
        run("publish", str(file), *RESEARCH)
    file.write_text("kind: project-policy\nkind: again")
    with pytest.raises(CommandError, match=r"policy\.yaml:2:1"):
        run("publish", str(file), *RESEARCH)
    with pytest.raises(CommandError, match="cannot be read"):
        run("publish", str(file) + ".none", *RESEARCH)
    with pytest.raises(CommandError, match="there is no 7"):
        run("diff", "7", *RESEARCH)
    with pytest.raises(CommandError, match="no revision 7"):
        run("rollback", "7", *RESEARCH)
    with pytest.raises(CommandError, match="no project nope"):
        run("show", "--project", "nope")


def test_the_second_person_is_named(world: World, file: Path) -> None:
    change_organisation(by=SETUP, second_person_for_project_policies=True)
    file.write_text(json.dumps(project_policy()))
    with pytest.raises(CommandError, match="second person"):
        run("publish", str(file), *RESEARCH)
    run("publish", str(file), *RESEARCH, "--approved-by", world.admin.email)
    assert f"agreed user:{world.admin.pk}" in run("history", *RESEARCH)
