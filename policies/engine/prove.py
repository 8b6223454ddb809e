"""Checking `never` statements over every request that a policy can tell apart.

The domain of a policy is finite: labels, aliases, and for each other condition the few values
on which its answer changes. Every state is decided with the shipped `decide`. What only takes
candidates away (an expired evidence, a stopped egress, missing masking, an unallowed reach-out)
is left out: without it, more leaves. Approvals count as given. Exceptions do not, but for those
that are passed in: they are judged when they are granted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy
from policies.engine.decide import decide
from policies.engine.domain import Domain
from policies.engine.explain import describe
from policies.engine.facts import RequestFacts
from policies.engine.labels import Label
from policies.engine.permit import Candidate

DEFAULT_LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A request that the policy sends where the statement says it never goes."""

    facts: RequestFacts
    candidate: Candidate
    sentence: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of one statement.

    `proven`: every state was decided and none contradicts. Without a counterexample but not
    proven: the domain was larger than the limit, and `checked` of its `states` were decided.
    """

    statement: r.Never
    proven: bool
    checked: int
    states: int
    counterexample: Counterexample | None
    sentence: str


def prove(
    policy: CompiledPolicy,
    *,
    class_labels: Mapping[str, Label] | None = None,
    suspended: frozenset[str] = frozenset(),
    limit: int = DEFAULT_LIMIT,
    statements: Sequence[r.Never] | None = None,
) -> tuple[Proof, ...]:
    """Check the policy's own `never` statements, or others, one proof each in their order.

    `class_labels` says what one finding of a data class contributes; a class that rules name
    and that is missing here makes its requests worst. `suspended` names rules that exceptions
    take out of effect. `limit` bounds the states decided (about 15 µs each); a domain that is
    larger is not proven. No I/O.
    """
    wanted = policy.never if statements is None else tuple(statements)
    domain = Domain.of(policy, class_labels or {}, wanted, suspended)
    open_statements = dict(enumerate(wanted))
    found: dict[int, Counterexample] = {}
    checked = 0
    for facts in domain.requests():
        if checked >= limit or not open_statements:
            break
        checked += 1
        for candidate in decide(domain.policy, facts, masking_available=True).candidates:
            for place, statement in list(open_statements.items()):
                if _contradicts(domain.policy, statement, candidate):
                    found[place] = _counterexample(policy, facts, candidate)
                    del open_statements[place]
    whole = domain.whole and checked == domain.states
    return tuple(
        _proof(statement, found.get(place), whole, checked, domain.states)
        for place, statement in enumerate(wanted)
    )


def _proof(
    statement: r.Never,
    counterexample: Counterexample | None,
    whole: bool,
    checked: int,
    states: int,
) -> Proof:
    if counterexample is not None:
        sentence = f"Does not hold: {counterexample.sentence}"
    elif whole:
        sentence = f"Holds: all {states} states of this policy were decided."
    else:
        sentence = (
            f"Not proven: the domain is too large. {checked} of at least {states} states were "
            "decided, and none contradicts."
        )
    proven = whole and counterexample is None
    return Proof(statement, proven, checked, states, counterexample, sentence)


def _contradicts(policy: CompiledPolicy, statement: r.Never, candidate: Candidate) -> bool:
    """Whether these bytes, as the deployment would receive them, are what must never go there."""
    bounds, label = statement.sensitivity, candidate.label
    return (
        bounds.at_least <= label.sensitivity <= bounds.at_most
        and (not statement.categories or not statement.categories.isdisjoint(label.categories))
        and statement.selector.selects(policy.deployments[candidate.deployment], unknown=True)
    )


def _counterexample(
    policy: CompiledPolicy, facts: RequestFacts, candidate: Candidate
) -> Counterexample:
    parts = [f"a request for {facts.alias} ({facts.endpoint})"]
    if facts.data_classes:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(facts.data_classes.items()))
        parts.append(f"with {counts}")
    for what, names in (
        ("of group", facts.groups),
        ("with tool", facts.tools),
        ("with modality", facts.modalities - {"text"}),
    ):
        if names:
            parts.append(f"{what} {', '.join(sorted(names))}")
    if facts.key:
        parts.append(f"by key {facts.key}")
    sentence = (
        f"{' '.join(parts)} reaches {candidate.deployment} ({candidate.zone.value}) as "
        f"{describe(candidate.label)}."
    )
    return Counterexample(facts, candidate, sentence)
