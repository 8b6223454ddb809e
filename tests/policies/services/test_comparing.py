"""What is in shadow is compared with what was decided: moves, maskings, each shadow rule alone."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from gateway.audit.models import RequestRecord
from policies.services.comparing import (
    RuleInShadow,
    compare,
    compare_organisation_rules,
)
from policies.services.publishing import publish
from policies.services.shadows import end_shadow, start_shadow
from tests.policies.services.deciding import allowed, decide_for, record
from tests.policies.services.policy_documents import (
    CLAUDE_FIRST,
    CODE,
    CODE_STAYS,
    organisation_policy,
    project_policy,
)
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db
DENY_CODE = {"id": "no-code", "when": {"category": "code"}, "then": {"deny": True}}
MASK = {"id": "masked", "then": {"mask": ["EMAIL_ADDRESS"]}}
ASK_FIRST = {"id": "ask-first", "then": {"require_approval": {"zone": "cloud"}}}
MAIL = "write to ann@example.org and bob@example.org"


@pytest.fixture
def world() -> World:
    made = make_world()
    publish(by=SETUP, project=made.project, document=project_policy(CLAUDE_FIRST))
    return made


def ask(world: World, directory: Path, *texts: str) -> None:
    decisions = [decide_for(world.member, world.project, text) for text in texts]
    record(directory, world.member, world.project, *decisions)


def said(world: World) -> str:
    found = compare(world.project).policy
    assert found is not None
    return found.sentence


def in_effect(world: World, *rules: object) -> None:
    publish(by=SETUP, project=world.project, document=project_policy(*rules))


def shadowed(rule: Mapping[str, object]) -> dict[str, object]:
    return {**rule, "shadow": True}


def rule_alone(world: World) -> RuleInShadow:
    (found,) = compare(world.project).rules
    return found


def told(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("policy", "shadow", "compare", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_a_policy_in_shadow_is_compared_since_it_began(world: World, tmp_path: Path) -> None:
    start_shadow(
        by=world.owner, project=world.project, document=project_policy(CLAUDE_FIRST, DENY_CODE)
    )
    ask(world, tmp_path, "hello", CODE, CODE + "#", "bye")
    start_shadow(
        by=world.owner, project=world.project, document=project_policy(CODE_STAYS, CLAUDE_FIRST)
    )
    ask(world, tmp_path, "hello", CODE, "more")
    found = compare(world.project).policy
    assert found is not None
    assert found.sentence == "1 of 3 would move: 1 cloud to on-prem."
    (move,) = found.moves
    assert move.deployments == {"claude to llama": 1}
    moved = RequestRecord.objects.get(decision_id=move.decisions[0])
    assert moved.categories == ["code"]


def test_what_would_be_denied_is_told_apart(world: World, tmp_path: Path) -> None:
    start_shadow(
        by=world.owner, project=world.project, document=project_policy(CLAUDE_FIRST, DENY_CODE)
    )
    ask(world, tmp_path, "hello", CODE, CODE + "#")
    end_shadow(by=world.owner, project=world.project)
    ask(world, tmp_path, CODE + "##")
    assert said(world) == "2 of 3 would move: 2 cloud to denied."
    lines = told("--project", "research")
    assert lines[0] == "2 of 3 would move: 2 cloud to denied."
    assert lines[1].startswith("2 cloud to denied: dec_")
    assert lines[2].strip() == "2 claude to denied"


def test_what_would_only_be_masked_is_told(world: World, tmp_path: Path) -> None:
    in_effect(world, CLAUDE_FIRST, {**MASK, "then": {"mask": ["EMAIL_ADDRESS"], "mode": "partial"}})
    clear = {"kind": "project-policy", "project": "research", "rules": [CLAUDE_FIRST, MASK]}
    start_shadow(by=world.owner, project=world.project, document=clear)
    ask(world, tmp_path, "hello", "call +49 30 901820")
    assert said(world) == "0 of 2 would move."
    everywhere = {"mask": ["EMAIL_ADDRESS"], "for": {"zone": ["on_prem", "cloud"]}}
    start_shadow(
        by=world.owner,
        project=world.project,
        document=project_policy({"id": "all", "then": everywhere}),
    )
    ask(world, tmp_path, MAIL)
    found = compare(world.project).policy
    assert found is not None
    assert found.sentence == (
        "0 of 1 would move. 1 would be masked otherwise: 2 EMAIL_ADDRESS masked (placeholder)."
    )
    (change,) = found.masks
    assert (change.data_class, change.before, change.after) == ("EMAIL_ADDRESS", "", "placeholder")
    assert (change.findings, change.requests, found.masked) == (2, 1, 1)


def test_another_mode_and_none_at_all_are_told(world: World, tmp_path: Path) -> None:
    here = {"mask": ["EMAIL_ADDRESS"], "for": {"zone": "on_prem"}}
    in_effect(world, {"id": "here", "then": {**here, "mode": "hash"}})
    start_shadow(
        by=world.owner,
        project=world.project,
        document=project_policy({"id": "here", "then": {**here, "mode": "remove"}}),
    )
    ask(world, tmp_path, MAIL)
    assert said(world) == (
        "0 of 1 would move. 1 would be masked otherwise: "
        "2 EMAIL_ADDRESS masked otherwise (remove, not hash)."
    )
    start_shadow(by=world.owner, project=world.project, document=project_policy())
    ask(world, tmp_path, MAIL)
    assert said(world).endswith(": 2 EMAIL_ADDRESS no longer masked.")


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        pytest.param(DENY_CODE, "1 of 1 would move: 1 cloud to denied.", id="deny"),
        pytest.param(CODE_STAYS, "1 of 1 would move: 1 cloud to on-prem.", id="allow-only"),
        pytest.param(ASK_FIRST, "2 of 2 would move: 2 cloud to on-prem.", id="approval"),
        pytest.param(
            {"id": "home", "then": {"prefer": ["llama"]}}, "0 of 2 would move.", id="prefer"
        ),
    ],
)
def test_a_shadow_rule_is_compared_as_if_it_alone_were_in_effect(
    world: World, tmp_path: Path, rule: dict[str, object], sentence: str
) -> None:
    beside = shadowed({"id": "all-stop", "when": {"alias": "llama"}, "then": {"deny": True}})
    in_effect(world, CLAUDE_FIRST, shadowed(rule), beside)
    assert allowed(world.member, world.project, CODE) == ["claude", "llama"]
    ask(world, tmp_path, CODE, "hello")
    found = {each.rule: each for each in compare(world.project).rules}
    assert found[f"project:{rule['id']}"].changes.sentence == sentence
    assert found["project:all-stop"].matched == 0
    assert {tuple(each.rules) for each in RequestRecord.objects.all()} == {
        ("project:claude-first",)
    }


def test_a_shadow_rule_that_masks_says_what_it_would_mask(world: World, tmp_path: Path) -> None:
    here = {"mask": ["EMAIL_ADDRESS"], "for": {"zone": ["on_prem", "cloud"]}}
    in_effect(world, shadowed({"id": "here", "then": here}))
    ask(world, tmp_path, MAIL, "hello")
    found = rule_alone(world)
    assert (found.matched, found.changes.moved) == (2, 0)
    assert "2 EMAIL_ADDRESS masked (placeholder)" in found.changes.sentence
    lines = told("--project", "research")
    assert lines == ["project:here (shadow) matched 2", found.changes.sentence]


def test_masking_that_would_let_something_leave_is_a_move_with_its_masks(
    world: World, tmp_path: Path
) -> None:
    in_effect(world, CLAUDE_FIRST, shadowed(MASK))
    ask(world, tmp_path, MAIL)
    assert rule_alone(world).changes.sentence == (
        "1 of 1 would move: 1 on_prem to cloud. 1 would be masked otherwise: "
        "2 EMAIL_ADDRESS masked (placeholder).".replace("on_prem", "on-prem")
    )


def test_staying_at_home_is_not_told_as_masked_less(world: World, tmp_path: Path) -> None:
    in_effect(world, CLAUDE_FIRST, MASK, shadowed({"id": "home", "then": {"deny": True}}))
    start_shadow(by=world.owner, project=world.project, document=project_policy(MASK))
    ask(world, tmp_path, MAIL)
    assert said(world) == "1 of 1 would move: 1 cloud to on-prem."
    assert rule_alone(world).changes.sentence == "1 of 1 would move: 1 cloud to denied."


def test_what_masking_left_behind_is_no_difference(world: World, tmp_path: Path) -> None:
    # Two halves of a card meet where an address was taken out: claude drops, and beside it as well.
    mask = {"id": "out", "then": {"mask": ["EMAIL_ADDRESS"], "mode": "remove"}}
    in_effect(world, CLAUDE_FIRST, mask, shadowed({"id": "as-is", "then": {"prefer": ["claude"]}}))
    start_shadow(by=world.owner, project=world.project, document=project_policy(CLAUDE_FIRST, mask))
    text = "4111 1111 ann@example.org 1111 1111"
    assert allowed(world.member, world.project, text) == ["llama"]
    assert allowed(world.member, world.project, "for ann@example.org")[0] == "claude"
    ask(world, tmp_path, text)
    assert rule_alone(world).changes.sentence == "0 of 1 would move."
    assert said(world) == "0 of 1 would move."


def test_a_rule_counts_since_it_is_in_shadow_as_it_is(world: World, tmp_path: Path) -> None:
    in_effect(world, shadowed({**DENY_CODE, "then": {"deny": "Not here."}}))
    ask(world, tmp_path, CODE)
    in_effect(world, shadowed(DENY_CODE))
    ask(world, tmp_path, CODE, CODE)
    in_effect(world, shadowed(DENY_CODE), CLAUDE_FIRST)
    ask(world, tmp_path, CODE)
    found = rule_alone(world)
    assert (found.matched, found.changes.decided) == (3, 3)
    in_effect(world, DENY_CODE)
    with pytest.raises(ValidationError, match="no rule in effect is marked"):
        compare(world.project)


def test_the_organisations_rules_are_compared_over_all_projects(
    world: World, tmp_path: Path
) -> None:
    publish(by=SETUP, project=None, document=organisation_policy(shadowed(CODE_STAYS)))
    in_effect(world, CLAUDE_FIRST, shadowed(DENY_CODE))
    ask(world, tmp_path, CODE, "hello")
    (found,) = compare_organisation_rules()
    assert found.rule == "organisation:code-stays"
    assert found.changes.sentence == "1 of 1 would move: 1 cloud to on-prem."
    both = compare(world.project).rules
    assert [each.rule for each in both] == ["organisation:code-stays", "project:no-code"]
    assert told()[:2] == ["organisation:code-stays (shadow) matched 1", found.changes.sentence]


def test_without_anything_in_shadow_it_says_so(world: World) -> None:
    with pytest.raises(ValidationError, match="never had"):
        compare(world.project)
    assert told() == ["no rule in effect is marked as shadow"]


def test_older_decisions_are_left_out_for_their_number(world: World, tmp_path: Path) -> None:
    in_effect(world, shadowed(DENY_CODE))
    ask(world, tmp_path, CODE, CODE, CODE)
    (found,) = compare(world.project, limit=2).rules
    assert (found.matched, found.changes.partial) == (2, True)
