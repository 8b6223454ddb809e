"""`never` statements hold, or come back with a request that contradicts them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from policies.engine import domain, judge
from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy, compile_rule
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts
from policies.engine.labels import Label
from policies.engine.prove import prove

MakePolicy = Callable[[Any], CompiledPolicy]
RESTRICTED_STAYS = {"label": {"at_least": "restricted"}, "zone": ["cloud", "private_cloud"]}


def policy_with(
    make_policy: MakePolicy, world: Mapping[str, Any], *never: Any, rules: Any = (), **more: Any
) -> CompiledPolicy:
    return make_policy({**world, "project": {"never": [*never], "rules": [*rules]}, **more})


def test_restricted_never_leaves_on_prem(
    world: Mapping[str, Any], make_policy: MakePolicy, classes: Mapping[str, Label]
) -> None:
    rules = [
        {"id": "P1", "when": {"category": "code"}, "then": {"mask": ["EMAIL_ADDRESS"]}},
        {"id": "P2", "when": {"group": "interns"}, "then": {"prefer": ["claude"]}},
        {"id": "P3", "when": {"size": {"at_least": 1000}}, "then": {"mask": ["personal"]}},
    ]
    policy = policy_with(make_policy, world, RESTRICTED_STAYS, rules=rules)
    (proof,) = prove(policy, class_labels=classes)
    assert proof.proven
    assert proof.counterexample is None
    assert proof.checked == proof.states > 500
    assert proof.sentence == f"Holds: all {proof.states} states of this policy were decided."


def test_without_the_clearance_check_the_proof_finds_the_leak(
    world: Mapping[str, Any], make_policy: MakePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "is_cleared", lambda label, clearance: True)
    (proof,) = prove(policy_with(make_policy, world, RESTRICTED_STAYS))
    assert not proof.proven
    assert proof.counterexample is not None


def test_a_counterexample_is_a_request_that_can_be_decided_again(
    world: Mapping[str, Any], make_policy: MakePolicy
) -> None:
    never = {"label": {"category": "code"}, "zone": "cloud"}
    policy = policy_with(make_policy, world, never, RESTRICTED_STAYS)
    proof, other = prove(policy)
    assert other.proven
    found = proof.counterexample
    assert found is not None
    assert found.candidate in decide(policy, found.facts, masking_available=True).candidates
    assert "reaches claude (cloud) as internal (code)." in proof.sentence
    assert proof.sentence.startswith("Does not hold: a request for auto (chat.completions)")


def test_a_rule_can_make_a_statement_true(
    world: Mapping[str, Any], make_policy: MakePolicy
) -> None:
    never = {"label": {"category": "code"}, "zone": "cloud"}
    rules = [{"id": "c", "when": {"category": "code"}, "then": {"allow_only": {"zone": "on_prem"}}}]
    (proof,) = prove(policy_with(make_policy, world, never, rules=rules))
    assert proof.proven
    (suspended,) = prove(
        policy_with(make_policy, world, never, rules=rules), suspended=frozenset({"project:c"})
    )
    assert suspended.counterexample is not None


@pytest.mark.parametrize(
    ("when", "what"),
    [
        ({"group": "interns"}, {"groups": frozenset({"interns"})}),
        ({"key": "sl-1"}, {"key": "sl-1"}),
        ({"size": {"at_least": 1000, "at_most": 1000}}, {"size_bytes": 1000}),
        ({"tools": ["mcp"]}, {"tools": frozenset({"mcp"})}),
        ({"budget": "exhausted"}, {"budget": "exhausted"}),
        ({"alias": "claude"}, {"alias": "claude"}),
        (
            {"data_class": {"any_of": ["IBAN"], "count": {"at_least": 7}}},
            {"data_classes": {"IBAN": 7}},
        ),
    ],
)
def test_the_one_gap_that_a_condition_leaves_is_found(
    world: Mapping[str, Any],
    make_policy: MakePolicy,
    classes: Mapping[str, Label],
    when: Any,
    what: dict[str, Any],
) -> None:
    rules = [{"id": "gap", "when": {"not": when}, "then": {"allow_only": {"zone": "on_prem"}}}]
    deployments = {
        **world["deployments"],
        "claude": {"zone": "cloud", "clearance": {"sensitivity": "confidential"}},
    }
    never = {"label": {"at_least": "internal"}, "zone": "cloud"}
    policy = policy_with(make_policy, world, never, rules=rules, deployments=deployments)
    (proof,) = prove(policy, class_labels=classes)
    assert proof.counterexample is not None
    facts: RequestFacts = proof.counterexample.facts
    for name, value in what.items():
        assert getattr(facts, name) == value


def test_a_minute_a_week_is_found(world: Mapping[str, Any], make_policy: MakePolicy) -> None:
    window = {"days": "sunday", "from": "02:58", "to": "02:59", "timezone": "Asia/Kathmandu"}
    rules = [
        {
            "id": "gap",
            "when": {"not": {"time": window}},
            "then": {"allow_only": {"zone": "on_prem"}},
        }
    ]
    never = {"label": {"at_least": "internal"}, "zone": "cloud"}
    (proof,) = prove(policy_with(make_policy, world, never, rules=rules))
    assert proof.counterexample is not None


def test_an_approval_counts_as_given(world: Mapping[str, Any], make_policy: MakePolicy) -> None:
    never = {"label": {"category": "code"}, "zone": "cloud"}
    rules = [{"id": "ask", "then": {"require_approval": True}}]
    (proof,) = prove(policy_with(make_policy, world, never, rules=rules))
    assert proof.counterexample is not None


def test_expired_evidence_proves_nothing(world: Mapping[str, Any], make_policy: MakePolicy) -> None:
    never = {"label": {"category": "code"}, "zone": "cloud"}
    claude = {**world["deployments"]["claude"], "evidence": ["2020-01-01"]}
    deployments = {**world["deployments"], "claude": claude}
    (proof,) = prove(policy_with(make_policy, world, never, deployments=deployments))
    assert proof.counterexample is not None


def test_masking_is_judged_by_what_is_sent(
    world: Mapping[str, Any], make_policy: MakePolicy, classes: Mapping[str, Label]
) -> None:
    never = {"label": {"category": "personal"}, "zone": "cloud"}
    claude = {"zone": "cloud", "clearance": {"sensitivity": "confidential"}}
    deployments = {**world["deployments"], "claude": claude}
    rules = [
        {"id": "m", "then": {"mask": ["personal"]}},
        {"id": "d", "when": {"category": "personal"}, "then": {"allow_only": {"zone": "on_prem"}}},
    ]
    loose = policy_with(make_policy, world, never, rules=rules[:1], deployments=deployments)
    (proof,) = prove(loose, class_labels=classes)
    assert proof.counterexample is not None  # declared, so that no mask takes it away
    assert "personal" in proof.counterexample.facts.unmaskable.categories
    tight = policy_with(make_policy, world, never, rules=rules, deployments=deployments)
    (proof,) = prove(tight, class_labels=classes)
    assert proof.proven


def test_a_domain_above_the_limit_is_not_called_proven(
    world: Mapping[str, Any], make_policy: MakePolicy
) -> None:
    policy = policy_with(make_policy, world, RESTRICTED_STAYS)
    (proof,) = prove(policy, limit=10)
    assert not proof.proven
    assert proof.counterexample is None
    assert proof.checked == 10
    assert proof.sentence.startswith("Not proven: the domain is too large. 10 of at least")


def test_a_dimension_above_its_limit_is_not_called_proven(
    world: Mapping[str, Any], make_policy: MakePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [{"id": f"g{n}", "when": {"group": f"g{n}"}, "then": {"deny": True}} for n in range(4)]
    policy = policy_with(make_policy, world, RESTRICTED_STAYS, rules=groups)
    assert prove(policy)[0].proven
    monkeypatch.setattr(domain, "DIMENSION_LIMIT", 15)
    (proof,) = prove(policy)
    assert proof.checked == proof.states
    assert not proof.proven


def test_other_statements_can_be_checked_too(
    world: Mapping[str, Any], make_policy: MakePolicy
) -> None:
    policy = policy_with(make_policy, world, RESTRICTED_STAYS)
    assert prove(policy, statements=()) == ()
    assert [proof.statement for proof in prove(policy, statements=policy.never)] == [*policy.never]


def test_categories_that_nothing_tells_apart_stand_for_one_another(
    world: Mapping[str, Any], make_policy: MakePolicy
) -> None:
    (proof,) = prove(policy_with(make_policy, world, RESTRICTED_STAYS))
    assert proof.proven
    assert proof.states < 50


def test_a_condition_that_cannot_be_evaluated_sends_nothing(
    world: Mapping[str, Any], make_policy: MakePolicy
) -> None:
    never = {"label": {"category": "code"}, "zone": "cloud"}
    policy = policy_with(make_policy, world, never)
    broken = compile_rule(
        r.Rule("broken", r.Prefer(("llama",)), r.TimeIs(timezone="Nowhere")),
        scope="project",
        deployments=policy.deployments,
    )
    (proof,) = prove(replace(policy, rules=(broken,)))
    assert proof.proven
    assert proof.checked > 0
