"""What must not take effect: failing tests, `never` statements with a counterexample."""

import pytest

from gateway.accounts.roles import Role
from gateway.deployments.services import set_alias
from policies.services.judging import NotPublished, judge
from policies.services.publishing import current_revision, publish
from policies.services.word_lists import set_word_list
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    CODE,
    CODE_NEVER_LEAVES,
    CODE_STAYS,
    LLAMA_FIRST,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, make_world, project_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def one_test(text: str = "hello", alias: str = "auto", **more: object) -> dict[str, object]:
    expect = more.pop("expect", {"deployment": "llama"})
    return {"text": text, "alias": alias, "expect": expect, **more}


def why_not(world: World, document: dict[str, object]) -> str:
    with pytest.raises(NotPublished) as caught:
        publish(by=world.owner, project=world.project, document=document)
    assert current_revision(world.project) is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("rules", "test", "said"),
    [
        (
            [CLAUDE_FIRST],
            one_test(),
            "/tests/0: This test (model auto) fails: It should go to llama; it goes to claude",
        ),
        ([CLAUDE_FIRST], one_test(expect={"zone": "on_prem"}), "It should go to zone on_prem"),
        (
            [CLAUDE_FIRST],
            one_test(expect={"denied": True}),
            "It should be denied; it goes to claude",
        ),
        ([CODE_STAYS], one_test(CODE, "claude", expect={"denied": False}), "it is denied."),
        (
            [CODE_STAYS],
            one_test(CODE, "claude", expect={"deployment": "claude"}),
            "It should go to claude; it is denied. The project's rule code-stays does not",
        ),
        (
            [LLAMA_FIRST],
            one_test(expect={"rules": []}),
            "The rule project:llama-first matches, and should not.",
        ),
        (
            [],
            one_test(expect={"rules": ["llama-first"]}),
            "The rule llama-first should match, and does not.",
        ),
        ([], one_test(expect={"masked": 1}), "1 findings should be masked for llama; 0 are."),
        ([], one_test(declare="confidental"), "confidental"),
        (
            [],
            one_test(endpoint="embeddings", expect={"denied": True}),
            "No deployment that may be used serves the model auto",
        ),
    ],
)
def test_a_failing_test_keeps_a_policy_from_taking_effect_and_says_why(
    world: World, rules: list[object], test: dict[str, object], said: str
) -> None:
    assert said in why_not(world, project_policy(*rules, tests=[test]))


def test_every_failing_test_is_named_and_its_text_is_not(world: World) -> None:
    tests = [one_test("a private thought"), one_test(), one_test("b", "claude")]
    told = why_not(world, project_policy(CLAUDE_FIRST, tests=tests))
    assert [line.split(":")[0] for line in told.splitlines()] == [
        "/tests/0",
        "/tests/1",
        "/tests/2",
    ]
    assert "private thought" not in told


def test_tests_that_pass_let_it_take_effect(world: World) -> None:
    tests = [
        one_test(
            CODE, expect={"deployment": "llama", "rules": ["code-stays", "project:claude-first"]}
        ),
        one_test("hello", expect={"deployment": "claude", "rules": ["claude-first"]}),
        one_test("hello", "claude", declare="health", expect={"denied": True}),
    ]
    document = project_policy(CODE_STAYS, CLAUDE_FIRST, tests=tests)
    assert publish(by=world.owner, project=world.project, document=document).number == 1


def test_a_test_sees_masking_word_lists_and_groups_as_a_request_would(world: World) -> None:
    set_word_list(
        by=SETUP, project=world.project, name="codenames", category="legal", words=["Bluebird"]
    )
    mask = {"id": "m", "when": {"data_class": "CODENAMES"}, "then": {"mask": ["CODENAMES"]}}
    document = project_policy(
        mask,
        CLAUDE_FIRST,
        tests=[one_test("about Bluebird", expect={"deployment": "claude", "masked": 1})],
    )
    assert judge(document, project=world.project).tests[0].passed


def test_a_test_fails_once_its_deployment_is_no_longer_granted(world: World) -> None:
    set_alias(by=SETUP, name="auto", deployments=[world.cloud])
    assert not judge(project_policy(tests=[one_test()]), project=world.project).tests[0].passed


def test_a_never_statement_with_a_counterexample_is_refused_in_plain_words(world: World) -> None:
    told = why_not(world, project_policy(never=[CODE_NEVER_LEAVES]))
    assert told.startswith("/never/0: In project research: Data that is of category code never")
    assert "a request for" in told
    assert "reaches claude (cloud) as internal (code)" in told


def test_a_never_statement_that_holds_lets_it_take_effect(world: World) -> None:
    document = project_policy(CODE_STAYS, never=[CODE_NEVER_LEAVES])
    assert publish(by=world.owner, project=world.project, document=document).number == 1
    (proved,) = judge(document, project=world.project).proofs
    assert proved.proof.proven
    assert "Holds: all" in proved.sentence


def test_a_project_cannot_break_what_the_organisation_states(world: World) -> None:
    organisation = organisation_policy(CODE_STAYS, never=[CODE_NEVER_LEAVES])
    publish(by=world.admin, project=None, document=organisation)
    publish(by=world.owner, project=world.project, document=project_policy(CLAUDE_FIRST))
    assert len(judge(project_policy(), project=world.project).proofs) == 1


def test_the_organisation_cannot_widen_past_what_a_project_states(world: World) -> None:
    publish(by=world.admin, project=None, document=organisation_policy(CODE_STAYS))
    publish(
        by=world.owner, project=world.project, document=project_policy(never=[CODE_NEVER_LEAVES])
    )
    with pytest.raises(NotPublished, match="In project research"):
        publish(by=world.admin, project=None, document=organisation_policy())


def test_no_project_keeps_the_organisation_from_narrowing(world: World) -> None:
    test = one_test(CODE, expect={"deployment": "claude"})
    publish(
        by=world.owner, project=world.project, document=project_policy(CLAUDE_FIRST, tests=[test])
    )
    verdict = judge(organisation_policy(CODE_STAYS), project=None)
    assert not verdict.problems()
    assert verdict.consequences == (
        "research, /tests/0: It should go to claude; it goes to llama (on_prem).",
    )


def test_the_organisations_tests_run_in_a_project_without_rules(world: World) -> None:
    project_with("second", olga=Role.OWNER)
    tests = [one_test(CODE, "claude", expect={"denied": True, "rules": ["code-stays"]})]
    document = organisation_policy(CODE_STAYS, tests=tests)
    assert publish(by=world.admin, project=None, document=document).number == 1
    with pytest.raises(NotPublished, match="/tests/0"):
        publish(by=world.admin, project=None, document=organisation_policy(tests=tests))


def test_a_statement_too_large_to_be_proven_takes_a_word(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policies.services.judging.DEFAULT_LIMIT", 3)
    document = project_policy(CODE_STAYS, never=[CODE_NEVER_LEAVES])
    assert "Not proven" in why_not(world, document)
    publish(by=world.owner, project=world.project, document=document, accept_unproven=True)
