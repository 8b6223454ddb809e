"""What cases as data cannot say: failing rules, maskers, totality, immutability."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy, compile_policy
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts
from policies.engine.labels import PUBLIC, Label, Sensitivity
from policies.engine.permit import DropReason, MaskMode, Outcome, strictest_mode

MakePolicy = Callable[[Any], CompiledPolicy]
MakeFacts = Callable[[CompiledPolicy, Any], RequestFacts]

BAD_ZONE = r.TimeIs(timezone="Nowhere/AtAll")
MASK = {"project": {"rules": [{"id": "m", "then": {"mask": ["EMAIL_ADDRESS"]}}]}}


def with_rules(policy: CompiledPolicy, *rules: r.Rule) -> CompiledPolicy:
    """The same deployments under other project rules, past the reader's checks."""
    return compile_policy(
        organisation=None,
        project=r.PolicyDocument(kind=r.Kind.PROJECT, project="research", rules=rules),
        project_slug="research",
        deployments=policy.deployments,
        aliases=policy.aliases,
        grants=frozenset(policy.deployments),
    )


def test_a_rule_that_cannot_be_evaluated_denies_and_is_named(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = with_rules(
        make_policy(world),
        r.Rule("fine", r.Prefer(("claude",))),
        r.Rule("broken", r.Prefer(("claude",)), when=BAD_ZONE),
    )
    permit = decide(policy, make_facts(policy, {}))
    assert permit.outcome is Outcome.DENIED
    assert permit.candidates == ()
    assert permit.error == "project:broken"
    assert {item.reason for item in permit.dropped} == {DropReason.RULE_ERROR}
    assert "broken" in permit.dropped[0].detail


def test_a_broken_condition_behind_one_that_does_not_hold_stays_asleep(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    health = r.CategoryIs(any_of=frozenset({"health"}))
    policy = with_rules(
        make_policy(world), r.Rule("broken", r.Deny(), when=r.AllOf((health, BAD_ZONE)))
    )
    assert decide(policy, make_facts(policy, {})).allowed
    facts = make_facts(policy, {"declared": {"categories": ["health"]}})
    assert decide(policy, facts).error == "project:broken"


def test_a_broken_rule_without_effect_is_recorded_and_does_not_deny(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    shadow = with_rules(make_policy(world), r.Rule("b", r.Deny(), when=BAD_ZONE, shadow=True))
    permit = decide(shadow, make_facts(shadow, {}))
    assert permit.allowed
    assert [ref.id for ref in permit.shadow] == ["b"]
    live = with_rules(make_policy(world), r.Rule("b", r.Deny(), when=BAD_ZONE))
    permit = decide(live, make_facts(live, {"suspended": ["project:b"]}))
    assert permit.allowed
    assert [ref.id for ref in permit.suspended] == ["b"]


def test_a_time_without_a_zone_is_an_error_of_the_rule_that_asks_for_it(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = with_rules(make_policy(world), r.Rule("t", r.Prefer(("claude",)), when=r.TimeIs()))
    facts = replace(make_facts(policy, {}), now=datetime(2026, 7, 1))  # noqa: DTZ001
    assert decide(policy, facts).error == "project:t"


def test_at_the_end_of_time_a_permit_is_born_expired(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = make_policy(world)
    last = datetime.max.replace(tzinfo=UTC)
    permit = decide(policy, replace(make_facts(policy, {}), now=last))
    assert permit.expires_at == permit.issued_at


def test_facts_of_the_wrong_kind_deny_instead_of_raising(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = make_policy(world)
    broken: Any = {"modalities": None, "reach_out": None, "label": None, "data_classes": 3}
    for name, value in broken.items():
        changed: dict[str, Any] = {"data_classes": {"EMAIL_ADDRESS": 1}} | {name: value}
        policy = make_policy({**world, **MASK})
        permit = decide(policy, replace(make_facts(policy, {}), **changed))
        assert not permit.allowed, name
        assert permit.error == "engine", name


def test_a_floor_that_the_caller_forgot_is_joined_all_the_same(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = make_policy({**world, "project": {"floor": "confidential"}})
    facts = replace(make_facts(policy, {}), label=PUBLIC, unmaskable=PUBLIC)
    permit = decide(policy, facts)
    assert permit.label.sensitivity is Sensitivity.CONFIDENTIAL
    assert [item.deployment for item in permit.candidates] == ["llama"]


def test_what_findings_do_not_account_for_is_not_masked_away(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = make_policy({**world, **MASK})
    facts = make_facts(policy, {"alias": "claude", "findings": {"EMAIL_ADDRESS": 1}})
    assert decide(policy, facts, masking_available=True).allowed
    for label in (
        Label(Sensitivity.RESTRICTED, facts.label.categories),
        Label(facts.label.sensitivity, facts.label.categories | {"legal"}),
    ):
        permit = decide(policy, replace(facts, label=label), masking_available=True)
        assert permit.candidates == (), label


def test_a_class_without_a_label_counts_as_worst_unless_it_is_gone(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = make_policy({**world, **MASK})
    facts = make_facts(policy, {"alias": "claude", "findings": {"EMAIL_ADDRESS": 1}})
    unknown = replace(facts, data_classes={"EMAIL_ADDRESS": 1, "NEW_CLASS": 1})
    permit = decide(policy, unknown, masking_available=True)
    assert [item.reason for item in permit.dropped] == [DropReason.RESIDUE_AFTER_MASKING]
    assert "1 NEW_CLASS" in permit.dropped[0].detail


def test_the_second_scan_has_the_last_word(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = make_policy({**world, **MASK})
    facts = make_facts(policy, {"findings": {"EMAIL_ADDRESS": 2}})
    asked: list[tuple[str, tuple[tuple[str, MaskMode], ...]]] = []

    def clean(*, deployment: str, modes: tuple[tuple[str, MaskMode], ...]) -> Label:
        asked.append((deployment, modes))
        return PUBLIC

    permit = decide(policy, facts, masker=clean)
    assert [item.deployment for item in permit.candidates] == ["llama", "claude"]
    assert asked == [("claude", (("EMAIL_ADDRESS", MaskMode.PLACEHOLDER),))]
    assert permit.candidates[1].modes == asked[0][1]

    def residue(*, deployment: str, modes: object) -> Label:
        return Label(Sensitivity.CONFIDENTIAL, frozenset({"personal"}))

    permit = decide(policy, facts, masker=residue)
    assert [item.deployment for item in permit.candidates] == ["llama"]
    assert permit.dropped[0].reason is DropReason.RESIDUE_AFTER_MASKING


def test_a_masker_that_fails_drops_its_candidate_alone(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    def fails(*, deployment: str, modes: object) -> Label:
        raise RuntimeError

    policy = make_policy({**world, **MASK})
    permit = decide(policy, make_facts(policy, {"findings": {"EMAIL_ADDRESS": 2}}), masker=fails)
    assert [item.deployment for item in permit.candidates] == ["llama"]
    assert permit.dropped[0].reason is DropReason.MASKING_UNAVAILABLE
    assert permit.error == ""


def test_a_masker_is_not_asked_for_what_is_dropped_anyway(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    def fails(*, deployment: str, modes: object) -> Label:
        pytest.fail("asked")

    policy = make_policy({**world, **MASK})
    facts = make_facts(policy, {"alias": "claude", "findings": {"EMAIL_ADDRESS": 1, "IBAN": 1}})
    permit = decide(policy, facts, masker=fails)
    assert permit.dropped[0].reason is DropReason.RESIDUE_AFTER_MASKING


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ((("EMAIL_ADDRESS", MaskMode.PARTIAL),), MaskMode.PARTIAL),
        ((("EMAIL_ADDRESS", MaskMode.PARTIAL), ("personal", MaskMode.HASH)), MaskMode.HASH),
        ((("EMAIL_ADDRESS", MaskMode.PLACEHOLDER), ("personal", MaskMode.HASH)), "placeholder"),
        ((("personal", MaskMode.REMOVE), ("EMAIL_ADDRESS", MaskMode.PLACEHOLDER)), "remove"),
        ((("IBAN", MaskMode.REMOVE),), None),
    ],
)
def test_the_strictest_mode_that_names_a_finding_wins(
    modes: tuple[tuple[str, MaskMode], ...], expected: str | None
) -> None:
    assert strictest_mode(modes, "EMAIL_ADDRESS", frozenset({"personal"})) == expected


def test_what_is_remembered_of_labels_is_bounded_and_changes_no_decision(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = make_policy(
        {
            **world,
            "project": {
                "rules": [{"id": "d", "when": {"category": "code"}, "then": {"deny": True}}]
            },
        }
    )
    clean, code = make_facts(policy, {}), make_facts(policy, {"findings": {"SOURCE_CODE": 1}})
    for number in range(3000):
        made_up = Label(Sensitivity.PUBLIC, frozenset({f"made-up-{number}"}))
        decide(policy, replace(clean, label=made_up))
        if number % 500 == 0:
            assert decide(policy, clean).allowed
            assert not decide(policy, code).allowed
    assert len(policy._remembered) <= 1024


def test_findings_that_were_seen_before_change_no_decision(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    policy = make_policy({**world, **MASK})
    requests = [
        make_facts(policy, {"findings": {"EMAIL_ADDRESS": 1 + number % 70, **more}})
        for number in range(200)
        for more in ({}, {"PERSON_NAME": 1})
    ]
    for facts in requests:
        permit = decide(policy, facts, masking_available=True)
        fresh = replace(policy)
        assert permit == decide(fresh, facts, masking_available=True)
        masked = [item.masked for item in permit.candidates if item.mask]
        whole = "PERSON_NAME" not in facts.data_classes
        assert masked == ([facts.data_classes["EMAIL_ADDRESS"]] if whole else [])


def test_an_appended_rule_of_the_same_name_is_not_taken_for_the_first(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    llama, claude = (r.Selector(deployments=frozenset({name})) for name in ("llama", "claude"))
    policy = with_rules(
        make_policy(world),
        r.Rule("same", r.Mask(frozenset({"EMAIL_ADDRESS"}), llama)),
        r.Rule("same", r.Mask(frozenset({"EMAIL_ADDRESS", "IBAN"}), claude)),
    )
    facts = make_facts(policy, {"findings": {"EMAIL_ADDRESS": 1, "IBAN": 1}})
    permit = decide(policy, facts, masking_available=True)
    assert [(item.deployment, item.masked) for item in permit.candidates] == [
        ("llama", 1),
        ("claude", 2),
    ]


def test_what_a_class_contributes_is_asked_of_each_request(
    world: Any, make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    clearance = {"sensitivity": "confidential", "categories": ["personal"]}
    deployments = {**world["deployments"], "claude": {"zone": "cloud", "clearance": clearance}}
    policy = make_policy({**world, "deployments": deployments, **MASK})
    facts = make_facts(policy, {"alias": "claude", "findings": {"EMAIL_ADDRESS": 1, "IBAN": 1}})
    labels = facts.class_labels
    swapped = {"EMAIL_ADDRESS": labels["IBAN"], "IBAN": labels["EMAIL_ADDRESS"]}
    assert not decide(policy, facts, masking_available=True).allowed
    assert decide(policy, replace(facts, class_labels=swapped), masking_available=True).allowed
    assert not decide(policy, facts, masking_available=True).allowed
