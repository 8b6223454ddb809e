"""The blanks of recipes: what fills one, in a project as it is, and reading an answer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from policies.engine.compile import CompiledPolicy
from policies.engine.facts import Zone


class BlankKind(StrEnum):
    """What fills a blank."""

    CATEGORIES = "categories"
    DATA_CLASSES = "data_classes"
    DEPLOYMENTS = "deployments"
    REGIONS = "regions"
    GROUP = "group"
    AMOUNT = "amount"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a project has: its policy as compiled, and what its recognizers find (class ->
    category). `groups` exist in the organisation. `examples`: by class a text in which it is found
    once, where one is known."""

    policy: CompiledPolicy
    data_classes: Mapping[str, str]
    groups: Collection[str] = ()
    examples: Mapping[str, str] = field(default_factory=dict)

    def choices(self, kind: BlankKind) -> list[str]:
        """What a blank of this kind may be filled with; empty for a number."""
        policy = self.policy
        match kind:
            case BlankKind.CATEGORIES:
                return sorted(policy.taxonomy.minimums)
            case BlankKind.DATA_CLASSES:
                return sorted(self.data_classes)
            case BlankKind.DEPLOYMENTS:
                return sorted(
                    name
                    for name, facts in policy.deployments.items()
                    if facts.zone is not Zone.ON_PREM
                )
            case BlankKind.REGIONS:
                known = (facts.region for facts in policy.deployments.values())
                return sorted({region for region in known if region})
            case BlankKind.GROUP:
                return sorted(self.groups)
        return []


class WrongAnswer(ValueError):
    """A blank is missing or filled with what it cannot hold. `blank` names it."""

    def __init__(self, blank: str, message: str) -> None:
        super().__init__(message)
        self.blank = blank


def words_of(name: str, value: object, choices: Sequence[str]) -> tuple[str, ...]:
    """One of the choices or several. Raises WrongAnswer."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        raise WrongAnswer(
            name, f"Choose at least one of {', '.join(choices) or '(there is none)'}."
        )
    for one in given:
        if one not in choices:
            raise WrongAnswer(
                name, f"{one[:64]!r} is none of {', '.join(choices) or '(there is none)'}."
            )
    return tuple(dict.fromkeys(given))


def amount_of(name: str, value: object) -> int:
    """A whole amount of money. Raises WrongAnswer."""
    if type(value) is not int or not 0 < value <= 10**9:
        raise WrongAnswer(name, "Write a whole amount of money above zero.")
    return value
