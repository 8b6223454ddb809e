"""The smallest change that would allow a refused request, alone and combined."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from policies.classification.recognizers import DATA_CLASSES
from policies.engine.compile import CompiledPolicy
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts
from policies.engine.labels import Taxonomy
from policies.engine.nouns import NOUNS
from policies.engine.suggest import (
    MOST_DECISIONS,
    Change,
    Parts,
    Reduced,
    smallest_change,
    suggestions,
)

MakePolicy = Callable[[Any], CompiledPolicy]
MakeFacts = Callable[[CompiledPolicy, Any], RequestFacts]

ORGANISATION = {
    "rules": [
        {"id": "O1", "when": {"category": "health"}, "then": {"allow_only": {"zone": "on_prem"}}}
    ]
}
PROJECT = {
    "rules": [
        {
            "id": "P1",
            "when": {"category": "code"},
            "then": {"mask": ["EMAIL_ADDRESS"], "for": {"deployment": "claude"}},
        },
        {"id": "P2", "when": {"category": "code"}, "then": {"prefer": ["claude"]}},
        {"id": "S1", "shadow": True, "then": {"deny": True}},
    ]
}


@pytest.fixture
def policy(world: Mapping[str, Any], make_policy: MakePolicy) -> CompiledPolicy:
    return make_policy({**world, "organisation": ORGANISATION, "project": PROJECT})


def test_nothing_is_suggested_for_what_is_allowed(
    policy: CompiledPolicy, make_facts: MakeFacts
) -> None:
    assert smallest_change(policy, make_facts(policy, {})) is None


def test_all_suggestions_come_with_data(policy: CompiledPolicy, make_facts: MakeFacts) -> None:
    facts = make_facts(policy, {"alias": "claude", "findings": {"IBAN": 1, "EMAIL_ADDRESS": 2}})
    found = list(suggestions(policy, facts, masking_available=True))
    assert [item.as_data() for item in found] == [
        {
            "change": "mask",
            "action": "mask 2 e-mail addresses and 1 IBAN",
            "sentence": "What would allow it: mask 2 e-mail addresses and 1 IBAN "
            "(it then goes to claude).",
            "deployment": "claude",
            "zone": "cloud",
            "mask": {"EMAIL_ADDRESS": 2, "IBAN": 1},
        },
        {
            "change": "alias",
            "action": "use model auto",
            "sentence": "What would allow it: use model auto (it then goes to llama).",
            "deployment": "llama",
            "zone": "on_prem",
            "alias": "auto",
        },
        {
            "change": "alias",
            "action": "use model llama",
            "sentence": "What would allow it: use model llama (it then goes to llama).",
            "deployment": "llama",
            "zone": "on_prem",
            "alias": "llama",
        },
    ]


def test_only_what_must_be_masked_is_named(policy: CompiledPolicy, make_facts: MakeFacts) -> None:
    findings = {"SOURCE_CODE": 3, "IBAN": 1}
    facts = make_facts(policy, {"alias": "claude", "findings": findings})
    change = smallest_change(policy, facts, masking_available=True)
    assert change is not None
    assert (change.change, change.mask) == (Change.MASK, {"IBAN": 1})


def test_no_mask_is_suggested_where_a_rule_forbids_the_place(
    policy: CompiledPolicy, make_facts: MakeFacts
) -> None:
    facts = make_facts(
        policy, {"alias": "claude", "findings": {"SOURCE_CODE": 1, "MEDICAL_RECORD_NUMBER": 1}}
    )
    changes = {item.change for item in suggestions(policy, facts, masking_available=True)}
    assert changes == {Change.ALIAS}


def test_a_suggestion_holds_when_it_is_taken(
    policy: CompiledPolicy,
    make_policy: MakePolicy,
    make_facts: MakeFacts,
    world: Mapping[str, Any],
) -> None:
    request = {"alias": "claude", "findings": {"IBAN": 1, "SOURCE_CODE": 1, "PERSON_NAME": 2}}
    change = smallest_change(policy, make_facts(policy, request), masking_available=True)
    assert change is not None
    assert change.action == "mask 1 IBAN and 2 names"
    masking = {"id": "new", "then": {"mask": sorted(change.mask or {})}}
    rules = [*PROJECT["rules"], masking]
    after = make_policy({**world, "organisation": ORGANISATION, "project": {"rules": rules}})
    assert decide(after, make_facts(after, request), masking_available=True).allowed


def test_an_unknown_alias_gets_a_known_one(policy: CompiledPolicy, make_facts: MakeFacts) -> None:
    change = smallest_change(policy, make_facts(policy, {"alias": "gpt-9"}))
    assert change is not None
    assert change.action == "use model auto"


@pytest.fixture
def alone(world: Mapping[str, Any], make_policy: MakePolicy) -> Callable[..., CompiledPolicy]:
    """A project that has claude alone, with these rules, and O1 or not."""

    def build(*rules: Any, organisation: Any = None) -> CompiledPolicy:
        return make_policy(
            {
                **world,
                "aliases": {"claude": ["claude"]},
                "organisation": organisation or {"rules": []},
                "project": {"rules": list(rules)},
            }
        )

    return build


def parts(facts: RequestFacts, opaque: set[int], names: int) -> Parts:
    """Attachments of which those at `opaque` make the request the worst."""

    def without(places: frozenset[int]) -> Reduced:
        return Reduced(facts if opaque <= places else worst(facts))

    return Parts(tuple(f"attachment {place + 1}" for place in range(names)), without)


def worst(facts: RequestFacts) -> RequestFacts:
    label = Taxonomy().worst
    return replace(facts, label=label, unmaskable=label)


def actions(policy: CompiledPolicy, facts: RequestFacts, **options: Any) -> list[str]:
    return [found.action for found in suggestions(policy, facts, masking_available=True, **options)]


def test_the_attachment_in_the_way_is_named_and_no_other(
    alone: Callable[..., CompiledPolicy], make_facts: MakeFacts
) -> None:
    policy = alone()
    clean = make_facts(policy, {"alias": "claude"})
    assert actions(policy, worst(clean), parts=parts(clean, {2}, 4)) == ["remove attachment 3"]
    both = actions(policy, worst(clean), parts=parts(clean, {0, 2}, 4))
    assert both == ["remove attachment 1 and attachment 3"]


def test_changes_are_combined_where_none_is_enough(
    alone: Callable[..., CompiledPolicy], make_facts: MakeFacts
) -> None:
    policy = alone({"id": "ask", "then": {"require_approval": {"zone": "cloud"}}})
    clean = make_facts(policy, {"alias": "claude", "findings": {"EMAIL_ADDRESS": 2}})
    (found,) = suggestions(policy, worst(clean), masking_available=True, parts=parts(clean, {0}, 1))
    assert found.action == (
        "remove attachment 1, and mask 2 e-mail addresses, and ask for an approval of rule ask"
    )
    assert found.as_data() == {
        "change": "several",
        "changes": ["remove", "mask", "approval"],
        "action": found.action,
        "sentence": found.sentence,
        "deployment": "claude",
        "zone": "cloud",
        "mask": {"EMAIL_ADDRESS": 2},
        "remove": ["attachment 1"],
        "approval": "project:ask",
    }


def test_another_alias_is_combined_where_nothing_else_is_enough(
    world: Mapping[str, Any], make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    deny = {"id": "no", "when": {"alias": "claude"}, "then": {"deny": True}}
    policy = make_policy(
        {
            **world,
            "aliases": {"claude": ["claude"], "other": ["claude"]},
            "project": {"rules": [deny]},
        }
    )
    facts = make_facts(policy, {"alias": "claude", "findings": {"EMAIL_ADDRESS": 1}})
    assert actions(policy, facts) == ["use model other, and mask 1 e-mail address"]


def test_nothing_is_hinted_that_a_rule_of_the_organisation_forbids(
    alone: Callable[..., CompiledPolicy], make_facts: MakeFacts
) -> None:
    """The worked case: code with a record number, alias claude, an exception on P1."""
    policy = alone(PROJECT["rules"][0], organisation=ORGANISATION)
    facts = make_facts(
        policy,
        {
            "alias": "claude",
            "findings": {"SOURCE_CODE": 1, "MEDICAL_RECORD_NUMBER": 1},
            "suspended": ["project:P1"],
        },
    )
    assert not decide(policy, facts, masking_available=True).allowed
    assert actions(policy, facts) == []
    denying = {"rules": [{"id": "O2", "when": {"category": "health"}, "then": {"deny": True}}]}
    assert actions(alone(organisation=denying), facts) == []


def test_an_approval_does_not_help_where_the_clearance_is_in_the_way(
    alone: Callable[..., CompiledPolicy], make_facts: MakeFacts
) -> None:
    policy = alone({"id": "ask", "then": {"require_approval": {"zone": "cloud"}}})
    assert actions(policy, make_facts(policy, {"alias": "claude", "opaque": True})) == []
    declared = {"alias": "claude", "declared": {"categories": ["health"]}}
    assert actions(policy, make_facts(policy, declared)) == []


def test_the_search_is_bounded(alone: Callable[..., CompiledPolicy], make_facts: MakeFacts) -> None:
    policy = alone()
    clean = make_facts(policy, {"alias": "claude"})
    asked: list[frozenset[int]] = []

    def without(places: frozenset[int]) -> Reduced:
        asked.append(places)
        return Reduced(worst(clean) if len(places) < 3 else clean)

    many = Parts(tuple(f"attachment {place + 1}" for place in range(2000)), without)
    found = actions(policy, worst(clean), parts=many)
    assert len(asked) <= MOST_DECISIONS
    assert [each.count("attachment") for each in found] == [2000]
    ticks = iter(range(10_000))
    assert actions(policy, worst(clean), parts=many, clock=lambda: float(next(ticks))) == []


def test_a_second_scan_that_finds_more_is_believed(
    alone: Callable[..., CompiledPolicy], make_facts: MakeFacts
) -> None:
    policy = alone()
    facts = make_facts(policy, {"alias": "claude", "findings": {"EMAIL_ADDRESS": 1}})

    def masker(*, deployment: str, modes: object) -> Any:
        return facts.label

    assert actions(policy, facts) == ["mask 1 e-mail address"]
    assert list(suggestions(policy, facts, masker=masker)) == []


def test_kinds_have_words() -> None:
    assert {change.value for change in Change} == {"mask", "remove", "approval", "alias", "several"}


def test_whatever_is_found_has_a_noun_that_people_use() -> None:
    assert [name for name in DATA_CLASSES if name not in NOUNS] == []
