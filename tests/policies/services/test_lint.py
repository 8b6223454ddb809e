"""What is odd about a policy is said, and only that."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from gateway.deployments.services import change_deployment, set_alias, set_enabled
from policies.engine.facts import Evidence
from policies.services.lint import Finding, lint
from policies.services.publishing import publish
from policies.services.word_lists import set_word_list
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    CODE_STAYS,
    LLAMA_FIRST,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, cloud_spec, make_world

pytestmark = pytest.mark.django_db
IMPOSSIBLE = {
    "id": "impossible",
    "when": {"category": "health", "sensitivity": {"at_most": "internal"}},
    "then": {"deny": True},
}
# Claude is not cleared for it anyway.
USELESS = {
    "id": "useless",
    "when": {"category": "health"},
    "then": {"allow_only": {"zone": "on_prem"}},
}


@pytest.fixture
def world() -> World:
    return make_world()


def odd(world: World, *rules: object, **more: object) -> set[tuple[str, str]]:
    found = lint(world.project, project_policy(*rules, **more))
    return {(item.kind.value, item.subject) for item in found}


def rules_of(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {item for item in found if item[0] in {"never_matches", "changes_nothing"}}


def test_a_rule_that_can_never_match_and_one_that_never_changes_anything(world: World) -> None:
    found = odd(world, CODE_STAYS, CLAUDE_FIRST, IMPOSSIBLE, USELESS, LLAMA_FIRST)
    assert rules_of(found) == {
        ("never_matches", "project:impossible"),
        ("changes_nothing", "project:useless"),
        ("changes_nothing", "project:llama-first"),
    }


def test_a_rule_that_masks_denies_or_wants_an_approval_is_of_use(world: World) -> None:
    mask = {"id": "m", "when": {"category": "code"}, "then": {"mask": ["EMAIL_ADDRESS"]}}
    ask = {"id": "a", "when": {"size": {"at_least": 5000}}, "then": {"require_approval": True}}
    assert rules_of(odd(world, mask, ask)) == set()


def test_a_shadow_rule_is_only_asked_whether_it_matches(world: World) -> None:
    found = odd(world, {**USELESS, "shadow": True}, {**IMPOSSIBLE, "shadow": True})
    assert rules_of(found) == {("never_matches", "project:impossible")}


def test_the_rules_of_the_other_document_are_not_judged(world: World) -> None:
    publish(by=SETUP, project=None, document=organisation_policy(USELESS))
    assert rules_of(odd(world, CLAUDE_FIRST)) == set()
    subjects = {item.subject for item in lint(None) if item.kind is Finding.CHANGES_NOTHING}
    assert subjects == {"organisation:useless"}


def test_a_category_that_no_recognizer_finds(world: World) -> None:
    categories = {"merger": "restricted"}
    assert ("category_only_declared", "merger") in odd(world, categories=categories)
    publish(by=SETUP, project=world.project, document=project_policy(categories=categories))
    set_word_list(
        by=SETUP, project=world.project, name="codenames", category="merger", words=["Bluebird"]
    )
    found = odd(world, categories=categories)
    assert ("category_only_declared", "merger") not in found


def test_an_alias_that_nobody_may_use(world: World) -> None:
    set_alias(by=SETUP, name="second", deployments=[world.cloud])
    assert not any(kind == "alias_used_by_nobody" for kind, _ in odd(world))
    deny = {"id": "d", "when": {"alias": "claude"}, "then": {"deny": True}}
    assert ("alias_used_by_nobody", "claude") in odd(world, deny)
    assert ("alias_used_by_nobody", "second") not in odd(world, deny)
    set_enabled(by=SETUP, deployment=world.cloud, enabled=False)
    subjects = {item.subject for item in lint(None) if item.kind is Finding.ALIAS_USED_BY_NOBODY}
    assert subjects == {"claude", "second"}


def test_evidence_that_is_about_to_end(world: World) -> None:
    today = timezone.now().date()
    for days, said in ((10, "ends on"), (-1, "ended on"), (90, "")):
        evidence = (Evidence("contract", "DPA 1", today + timedelta(days=days)),)
        world.cloud.refresh_from_db()
        spec = cloud_spec(evidence=evidence)
        change_deployment(by=SETUP, deployment=world.cloud, spec=spec)
        found = [item for item in lint(world.project) if item.kind is Finding.EVIDENCE_EXPIRES]
        assert [said in item.sentence for item in found] == ([True] if said else [])


def test_what_could_not_be_walked_to_the_end_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policies.services.lint.DECISIONS_LIMIT", 5)
    assert ("not_checked", "research") in odd(world, IMPOSSIBLE)


def test_the_command_says_the_same(world: World) -> None:
    publish(by=SETUP, project=world.project, document=project_policy(IMPOSSIBLE))
    out = io.StringIO()
    call_command("policy", "lint", "--project", "research", stdout=out)
    assert "never_matches project:impossible: The rule impossible matches no" in out.getvalue()
