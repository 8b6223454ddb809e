"""Sentences about a decision, and the smallest change that would allow it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from policies.engine.compile import CompiledPolicy
from policies.engine.decide import decide
from policies.engine.explain import explain
from policies.engine.facts import RequestFacts
from policies.engine.nouns import counted

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


def test_an_allowed_request_is_explained(policy: CompiledPolicy, make_facts: MakeFacts) -> None:
    facts = make_facts(policy, {"findings": {"SOURCE_CODE": 1, "EMAIL_ADDRESS": 1}})
    permit = decide(policy, facts, masking_available=True)
    assert explain(policy, facts, permit).lines() == (
        "The request goes to claude (cloud).",
        "The request is confidential (code, personal).",
        "The project's rule P1 applies.",
        "The project's rule P2 applies.",
        "The project's rule S1 matches, and is only recorded (shadow).",
        "1. claude (cloud) may receive it after masking 1 finding as internal (code); "
        "preferred by P2.",
        "2. llama (on_prem) may receive it as confidential (code, personal); by the alias's order.",
    )


@pytest.mark.parametrize(
    ("request_data", "says"),
    [
        ({"alias": "gpt-9"}, "serves the model gpt-9"),
        ({"alias": "claude", "findings": {"IBAN": 1}}, "Nothing that serves claude may receive"),
        (
            {"alias": "claude", "findings": {"IBAN": 1}},
            "claude: The content is confidential; claude may receive internal at most.",
        ),
        (
            {"findings": {"MEDICAL_RECORD_NUMBER": 1}},
            "claude: The organisation's rule O1 does not allow claude for this request.",
        ),
        (
            {"alias": "claude", "findings": {"SOURCE_CODE": 1}, "suspended": ["project:P2"]},
            "rule P2 matches, and is suspended",
        ),
        (
            {"alias": "claude", "reach_out": ["mcp"]},
            "claude: The model's server would reach out (mcp), and no policy allows that.",
        ),
    ],
)
def test_what_was_dropped_is_explained(
    policy: CompiledPolicy, make_facts: MakeFacts, request_data: Any, says: str
) -> None:
    facts = make_facts(policy, request_data)
    permit = decide(policy, facts, masking_available=True)
    assert says in "\n".join(explain(policy, facts, permit).lines())


def test_a_made_up_category_is_never_repeated(
    world: Mapping[str, Any], make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    worldly = {
        "deployments": {
            "vpc": {"zone": "cloud", "clearance": {"sensitivity": "restricted", "categories": []}}
        },
        "aliases": {"vpc": ["vpc"]},
    }
    policy = make_policy(worldly)
    facts = make_facts(policy, {"alias": "vpc", "declared": {"categories": ["jane_doe"]}})
    permit = decide(policy, facts)
    assert permit.dropped[0].detail == "vpc is not cleared for an unknown category."


def test_counts_are_words_for_people() -> None:
    assert counted("EMAIL_ADDRESS", 1) == "1 e-mail address"
    assert counted("EMAIL_ADDRESS", 2) == "2 e-mail addresses"
    assert counted("TAX_NUMBER", 3) == "3 tax numbers"
