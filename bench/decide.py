"""How long one decision takes: 40 rules, 6 deployments. Run: `python -m bench.decide`.

Prints microseconds per decision (the best and the median of several rounds) for a request that
matches few rules, one that matches many, one that is denied and one that is masked.
"""

import statistics
import sys
import time
from datetime import UTC, datetime
from itertools import cycle, islice

from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy, compile_policy
from policies.engine.decide import decide
from policies.engine.facts import (
    EVERYTHING_CLEARED,
    NOTHING_CLEARED,
    Clearance,
    DeploymentFacts,
    RequestFacts,
    Zone,
)
from policies.engine.labels import Label, Sensitivity, Taxonomy

ROUNDS = 15
CALLS = 4000
ENDPOINTS = frozenset({"chat.completions", "completions", "embeddings"})
INTERNAL_CODE = Clearance(Sensitivity.INTERNAL, frozenset({"code"}))
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def deployments() -> dict[str, DeploymentFacts]:
    """Two of each zone, differently cleared."""
    made = (
        DeploymentFacts("llama", Zone.ON_PREM, EVERYTHING_CLEARED, ENDPOINTS),
        DeploymentFacts("gemma", Zone.ON_PREM, EVERYTHING_CLEARED, ENDPOINTS),
        DeploymentFacts("private-1", Zone.PRIVATE_CLOUD, INTERNAL_CODE, ENDPOINTS, region="eu"),
        DeploymentFacts("private-2", Zone.PRIVATE_CLOUD, INTERNAL_CODE, ENDPOINTS),
        DeploymentFacts("claude", Zone.CLOUD, INTERNAL_CODE, ENDPOINTS, vendor="anthropic"),
        DeploymentFacts("gemini", Zone.CLOUD, NOTHING_CLEARED, ENDPOINTS, vendor="google"),
    )
    return {facts.name: facts for facts in made}


def rules(scope: str) -> tuple[r.Rule, ...]:
    """Twenty rules over most kinds of condition; about a third look at the label."""
    on_prem = r.AllowOnly(r.Selector(zones=frozenset({Zone.ON_PREM})))
    names = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER"})
    code = r.CategoryIs(any_of=frozenset({"code"}))
    written: list[tuple[r.Condition, r.Effect]] = [
        (r.CategoryIs(any_of=frozenset({"health"})), on_prem),
        (r.CategoryIs(any_of=frozenset({"payment", "legal"})), on_prem),
        (r.SensitivityIs(at_least=Sensitivity.RESTRICTED), on_prem),
        (code, r.Mask(names)),
        (r.AllOf((code, r.SensitivityIs(at_most=Sensitivity.CONFIDENTIAL))), r.Prefer(("claude",))),
        (r.GroupIs(frozenset({"interns"})), on_prem),
        (r.KeyIs(frozenset({"sk-abc"})), on_prem),
        (r.SizeIs(at_least=1_000_000), on_prem),
        (r.ModalityIs(frozenset({"image"})), on_prem),
        (r.ToolsAre(frozenset({"web_search"})), r.Deny("no search")),
        (r.BudgetIs(frozenset({"exhausted"})), on_prem),
        (r.DataClassIs(any_of=names, at_least=50), r.Deny("bulk data")),
        (r.EndpointIs(frozenset({"embeddings"})), on_prem),
        (r.AliasIs(frozenset({"fast"})), r.Prefer(("gemma",))),
        (r.AliasIs(frozenset({"auto"})), r.Prefer(("llama",))),
        (r.TimeIs(frozenset({5, 6})), r.RequireApproval(r.ALL_BUT_ON_PREM)),
        (r.AllOf((r.GroupIs(frozenset({"hr"})), code)), r.Deny()),
        (r.CategoryIs(all_of=frozenset({"code", "secret"})), r.Deny("secrets in code")),
        (r.Not(r.EndpointIs(ENDPOINTS)), r.Deny()),
        (r.AnyOf((r.SizeIs(at_least=2**24), r.GroupIs(frozenset({"x"})))), on_prem),
    ]
    return tuple(
        r.Rule(f"{scope}-{place}", effect, condition)
        for place, (condition, effect) in enumerate(written)
    )


def policy() -> CompiledPolicy:
    """The compiled policy: 20 rules of the organisation and 20 of the project."""
    known = deployments()
    return compile_policy(
        organisation=r.PolicyDocument(kind=r.Kind.ORGANISATION, rules=rules("o")),
        project=r.PolicyDocument(kind=r.Kind.PROJECT, project="bench", rules=rules("p")),
        project_slug="bench",
        deployments=known,
        aliases={"auto": tuple(known)},
        grants=frozenset(known),
    )


def requests() -> dict[str, list[RequestFacts]]:
    """Requests of each kind, by its name in the table; they take turns."""
    join = Taxonomy().join
    floor = Label(Sensitivity.INTERNAL)
    code, personal = (
        join([Label(categories=frozenset({"code"}))]),
        Label(Sensitivity.CONFIDENTIAL, frozenset({"personal"})),
    )

    def request(label: Label, **more: object) -> RequestFacts:
        return RequestFacts(
            decision_id="d",
            digest="0" * 64,
            endpoint="chat.completions",
            alias="auto",
            label=label,
            unmaskable=floor,
            now=NOW,
            size_bytes=500,
            **more,  # type: ignore[arg-type]  # the fields of RequestFacts, by name
        )

    def masked(emails: int, codes: int) -> RequestFacts:
        return request(
            join([floor, code, personal]),
            data_classes={"EMAIL_ADDRESS": emails, "SOURCE_CODE": codes},
            class_labels={"EMAIL_ADDRESS": personal, "SOURCE_CODE": code},
        )

    return {
        "clean, 5 candidates": [request(floor)],
        "code, no finding": [request(join([floor, code]))],
        "code and an e-mail address, masked": [masked(1, 1)],
        "the same, counts not seen lately": [
            masked(emails, codes) for emails in range(1, 20) for codes in range(1, 20)
        ],
        "opaque: every rule on the label": [request(Taxonomy().worst)],
    }


def main() -> None:
    """Print the table."""
    compiled = policy()
    out = sys.stdout.write
    out(f"{len(compiled.rules)} rules, {len(compiled.deployments)} deployments; µs per decision\n")
    for name, kinds in requests().items():
        turns = list(islice(cycle(kinds), CALLS))
        rounds = []
        for _ in range(ROUNDS):
            began = time.process_time_ns()
            for facts in turns:
                decide(compiled, facts, masking_available=True)
            rounds.append((time.process_time_ns() - began) / CALLS / 1000)
        permit = decide(compiled, kinds[0], masking_available=True)
        out(
            f"{name:38} best {min(rounds):6.1f}  median {statistics.median(rounds):6.1f}"
            f"  ({len(permit.rules)} rules matched, {len(permit.candidates)} candidates)\n"
        )


if __name__ == "__main__":
    main()
