"""The semantic rules as data: policy, request, and the whole decision that must follow.

A case says everything that is to be seen in the permit; what it does not mention must be empty.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.engine.compile import CompiledPolicy
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts
from policies.engine.permit import Permit
from policies.engine.suggest import smallest_change

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]
EMPTY: dict[str, Any] = {
    "outcome": "allowed",
    "candidates": [],
    "dropped": {},
    "rules": [],
    "shadow": [],
    "suspended": [],
    "error": "",
}


def as_data(permit: Permit) -> dict[str, Any]:
    """The permit as a case writes it."""
    return {
        "outcome": permit.outcome.value,
        "candidates": [
            {item.deployment: {"masked": item.masked, "mask": sorted(item.mask)}}
            if item.mask or item.masked
            else item.deployment
            for item in permit.candidates
        ],
        "dropped": {
            item.deployment: item.reason.value + (f" {item.rule.key}" if item.rule else "")
            for item in permit.dropped
        },
        "rules": [ref.key for ref in permit.rules],
        "shadow": [ref.key for ref in permit.shadow],
        "suspended": [ref.key for ref in permit.suspended],
        "error": permit.error,
    }


@pytest.mark.parametrize("case", CASES)
def test_the_decision_is_the_expected_one(
    case: dict[str, Any],
    world: dict[str, Any],
    make_policy: Callable[[Any], CompiledPolicy],
    make_facts: Callable[[CompiledPolicy, Any], RequestFacts],
) -> None:
    policy = make_policy({**world, **case.get("world", {})})
    facts = make_facts(policy, case["request"])
    masking = case.get("masking_available", True)
    permit = decide(policy, facts, masking_available=masking)
    expected = dict(case["expect"])
    label = expected.pop("label", None)
    labels = expected.pop("labels", {})
    suggestion = expected.pop("suggestion", "not asked")
    assert as_data(permit) == {**EMPTY, **expected}
    if label is not None:
        found = [permit.label.sensitivity.word, *sorted(permit.label.categories)]
        assert ", ".join(found) == label
    for item in permit.candidates:
        if item.deployment in labels:
            found = [item.label.sensitivity.word, *sorted(item.label.categories)]
            assert ", ".join(found) == labels[item.deployment]
    if suggestion != "not asked":
        found_change = smallest_change(policy, facts, masking_available=masking)
        assert (found_change.action if found_change else None) == suggestion


def test_the_cases_are_many_and_each_semantic_rule_that_is_built_has_some() -> None:
    names = [str(param.id) for param in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 60
    for rule in (1, 2, 3, 4, 5, 6, 8, 9):
        assert sum(name.startswith(f"rule{rule}") for name in names) >= 3, rule


@pytest.mark.parametrize("case", CASES[:3])
def test_the_permit_belongs_to_the_request_and_lives_thirty_seconds(
    case: dict[str, Any],
    world: dict[str, Any],
    make_policy: Callable[[Any], CompiledPolicy],
    make_facts: Callable[[CompiledPolicy, Any], RequestFacts],
) -> None:
    policy = make_policy({**world, **case.get("world", {})})
    facts = make_facts(policy, case["request"])
    permit = decide(policy, facts)
    assert (permit.digest, permit.decision_id) == (facts.digest, facts.decision_id)
    assert permit.revision == policy.revision
    assert permit.issued_at == facts.now
    assert permit.expires_at == facts.now + timedelta(seconds=30)
