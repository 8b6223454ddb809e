"""The compiled policy: its revision, its taxonomy, its grants."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy, compile_policy
from policies.engine.facts import NOTHING_CLEARED
from policies.engine.labels import Label, Sensitivity, Taxonomy

MakePolicy = Callable[[Any], CompiledPolicy]
PROJECT = r.PolicyDocument(kind=r.Kind.PROJECT, project="research")


def compiled(policy: CompiledPolicy, **changes: Any) -> CompiledPolicy:
    arguments: dict[str, Any] = {
        "organisation": None,
        "project": PROJECT,
        "project_slug": "research",
        "deployments": policy.deployments,
        "aliases": policy.aliases,
        "grants": frozenset(policy.deployments),
    }
    return compile_policy(**{**arguments, **changes})


@pytest.fixture
def base(world: Any, make_policy: MakePolicy) -> CompiledPolicy:
    return compiled(make_policy(world))


def test_the_revision_is_the_same_for_the_same_things_in_another_order(
    base: CompiledPolicy,
) -> None:
    again = compiled(
        base,
        deployments=dict(reversed([*base.deployments.items()])),
        aliases=dict(reversed([*base.aliases.items()])),
    )
    assert again.revision == base.revision
    assert len(base.revision) == 64


def test_the_revision_changes_with_everything_that_influences_a_decision(
    base: CompiledPolicy,
) -> None:
    claude = base.deployments["claude"]
    narrowed = {**base.deployments, "claude": replace(claude, clearance=NOTHING_CLEARED)}
    rule = r.Rule("a", r.Deny())
    others = [
        compiled(base, deployments=narrowed),
        compiled(base, aliases={**base.aliases, "auto": ("claude", "llama")}),
        compiled(base, aliases={**base.aliases, "new": ("llama",)}),
        compiled(base, grants=frozenset({"llama"})),
        compiled(base, project=replace(PROJECT, floor=Label(Sensitivity.CONFIDENTIAL))),
        compiled(base, project=replace(PROJECT, rules=(rule,))),
        compiled(base, project=replace(PROJECT, rules=(replace(rule, shadow=True),))),
        compiled(base, project=replace(PROJECT, rules=(replace(rule, id="b"),))),
        compiled(base, project=replace(PROJECT, relax=frozenset({"images"}))),
        compiled(base, project=replace(PROJECT, reach_out=frozenset({"mcp"}))),
        compiled(base, project=replace(PROJECT, categories=(("x", Sensitivity.INTERNAL),))),
        compiled(base, organisation=r.PolicyDocument(kind=r.Kind.ORGANISATION, rules=(rule,))),
        compiled(base, project=replace(PROJECT, project="other"), project_slug="other"),
    ]
    revisions = [other.revision for other in others]
    assert base.revision not in revisions
    assert len(set(revisions)) == len(revisions)


def test_the_revision_does_not_change_with_what_the_project_cannot_reach(
    base: CompiledPolicy,
) -> None:
    foreign = replace(base.deployments["claude"], name="foreign")
    with_foreign = compiled(base, deployments={**base.deployments, "foreign": foreign})
    assert with_foreign.revision == base.revision
    assert "foreign" not in with_foreign.deployments


def test_only_granted_aliases_are_there(base: CompiledPolicy) -> None:
    policy = compiled(base, grants=frozenset({"llama"}))
    assert dict(policy.aliases) == {"auto": ("llama",), "llama": ("llama",)}


def test_a_project_may_not_lower_what_the_organisation_raised(base: CompiledPolicy) -> None:
    organisation = r.PolicyDocument(
        kind=r.Kind.ORGANISATION, categories=(("code", Sensitivity.RESTRICTED),)
    )
    lowered = replace(PROJECT, categories=(("code", Sensitivity.CONFIDENTIAL),))
    with pytest.raises(ValueError, match="needs at least restricted"):
        compiled(base, organisation=organisation, project=lowered)


def test_a_taxonomy_from_outside_is_raised_further(base: CompiledPolicy) -> None:
    policy = compiled(
        base,
        taxonomy=Taxonomy().raised({"merger": Sensitivity.CONFIDENTIAL}),
        project=replace(PROJECT, categories=(("merger", Sensitivity.RESTRICTED),)),
    )
    assert policy.taxonomy.minimums["merger"] is Sensitivity.RESTRICTED


@pytest.mark.parametrize(
    "changes",
    [
        {"project_slug": "another"},
        {"project": r.PolicyDocument(kind=r.Kind.ORGANISATION)},
        {"organisation": PROJECT},
    ],
)
def test_a_document_of_another_kind_or_project_is_refused(
    base: CompiledPolicy, changes: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="polic"):
        compiled(base, **changes)
