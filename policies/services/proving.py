"""`never` statements over what is granted and known now, with the shipped `decide`.

Exceptions that hold now count as if they held for everybody: what is proven here is true with
them. CPU only but for the queries that whoever calls has made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.inference.contracts import Analyser
from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy
from policies.engine.labels import Label
from policies.engine.prove import DEFAULT_LIMIT, Proof, prove
from policies.engine.sentences import never_sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """One statement in one project. `pointer`: its place in the document of `scope`, if any."""

    project: str
    scope: str  # "organisation", "project", or "question" for one that stands in no document
    pointer: str
    statement: str  # in words
    proof: Proof

    @property
    def sentence(self) -> str:
        """The statement and what came of it."""
        return f"{self.statement} {self.proof.sentence}"


def prove_in(
    policy: CompiledPolicy,
    analyser: Analyser,
    *,
    organisation: r.PolicyDocument | None,
    suspended: frozenset[str] = frozenset(),
    statements: Sequence[r.Never] | None = None,
    limit: int = DEFAULT_LIMIT,
) -> tuple[Proved, ...]:
    """Check the statements of both documents, or others, in one project."""
    proofs = prove(
        policy,
        class_labels=class_labels(policy, analyser),
        suspended=suspended,
        limit=limit,
        statements=statements,
    )
    above = len(organisation.never) if organisation is not None else 0
    found = []
    for place, proof in enumerate(proofs):
        scope, index = ("organisation", place) if place < above else ("project", place - above)
        if statements is not None:
            scope, index = "question", place
        found.append(
            Proved(
                project=policy.project,
                scope=scope,
                pointer=f"/never/{index}",
                statement=never_sentence(proof.statement),
                proof=proof,
            )
        )
    return tuple(found)


def class_labels(policy: CompiledPolicy, analyser: Analyser) -> dict[str, Label]:
    """What one finding of each data class contributes in this project."""
    return {
        name: policy.taxonomy.join((Label(categories=frozenset({category})),))
        for name, category in analyser.data_classes.items()
    }


def not_proven(proofs: Iterable[Proved]) -> tuple[Proved, ...]:
    """Those without a counterexample that could not be checked to the end."""
    return tuple(
        item for item in proofs if not item.proof.proven and item.proof.counterexample is None
    )


def contradicted(proofs: Iterable[Proved]) -> tuple[Proved, ...]:
    """Those with a counterexample."""
    return tuple(item for item in proofs if item.proof.counterexample is not None)
