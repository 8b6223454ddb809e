"""A decision in plain sentences.

Sentences name classes, counts, rules and deployments, never content.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy
from policies.engine.facts import RequestFacts
from policies.engine.labels import Label
from policies.engine.permit import Outcome, Permit


@dataclass(frozen=True, slots=True)
class Explanation:
    """A permit in sentences."""

    outcome: str
    label: str
    rules: tuple[str, ...]
    chosen: tuple[str, ...]  # of each candidate, in order
    dropped: tuple[str, ...]  # of each dropped deployment

    def lines(self) -> tuple[str, ...]:
        """All sentences in reading order."""
        return (self.outcome, self.label, *self.rules, *self.chosen, *self.dropped)


def explain(policy: CompiledPolicy, facts: RequestFacts, permit: Permit) -> Explanation:
    """Say why each deployment was chosen or dropped. Total; no I/O."""
    return Explanation(
        outcome=_outcome(permit, facts),
        label=f"The request is {describe(permit.label)}.",
        rules=tuple(_rules(policy, permit)),
        chosen=tuple(_chosen(policy, permit)),
        dropped=tuple(f"{item.deployment}: {item.detail}" for item in permit.dropped),
    )


def describe(label: Label) -> str:
    """`confidential (code, personal)`."""
    categories = f" ({', '.join(sorted(label.categories))})" if label.categories else ""
    return label.sensitivity.word + categories


def _outcome(permit: Permit, facts: RequestFacts) -> str:
    if permit.outcome is Outcome.UNKNOWN_ALIAS:
        return f"No deployment that this project may use serves the model {facts.alias} here."
    if permit.error:
        return f"Nothing may be sent: {permit.error} could not be evaluated."
    if not permit.candidates:
        return f"Nothing that serves {facts.alias} may receive this request."
    first = permit.candidates[0]
    return f"The request goes to {first.deployment} ({first.zone.value})."


def _rules(policy: CompiledPolicy, permit: Permit) -> Iterator[str]:
    for refs, effect in (
        (permit.rules, "applies"),
        (permit.suspended, "matches, and is suspended by an exception or an approval"),
        (permit.shadow, "matches, and is only recorded (shadow)"),
    ):
        for ref in refs:
            yield f"The {ref.scope}'s rule {ref.id} {effect}."


def _chosen(policy: CompiledPolicy, permit: Permit) -> Iterator[str]:
    prefers = {
        rule.ref: rule.rule.then for rule in policy.rules if isinstance(rule.rule.then, r.Prefer)
    }
    for place, candidate in enumerate(permit.candidates):
        name = candidate.deployment
        facts = policy.deployments[name]
        ranked = [
            ref.id
            for ref in permit.rules
            if (then := prefers.get(ref)) is not None
            and (
                name in then.names
                or (then.selector is not None and then.selector.selects(facts, unknown=False))
            )
        ]
        why = f"preferred by {', '.join(ranked)}" if ranked else "by the alias's order"
        masked = f" after masking {_findings(candidate.masked)}" if candidate.mask else ""
        yield (
            f"{place + 1}. {name} ({candidate.zone.value}) may receive it{masked} as "
            f"{describe(candidate.label)}; {why}."
        )


def _findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"
