"""Sentences with blanks that become rules, statements to prove, and tests.

A recipe writes parts of a policy document, as somebody would who knows the rules well; nothing it
writes means more than the same parts written by hand. Each part names the recipe and its answers
(`recipe`), so that a page can show the sentence again. What would still surprise is said, too.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from policies.engine.blanks import BlankKind, Situation, WrongAnswer, amount_of, words_of
from policies.engine.compile import CompiledPolicy, Target
from policies.engine.facts import Clearance, DeploymentFacts, Zone
from policies.engine.labels import Label
from policies.engine.nouns import counted, listed
from policies.engine.rules import Answer

Part = dict[str, object]
ON_PREM = Zone.ON_PREM.value
ELSEWHERE = [Zone.CLOUD.value, Zone.PRIVATE_CLOUD.value]
_MOST_NAMED = 3  # in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a filled recipe comes to. `needs` are things that no policy can do, one sentence each;
    `surprises` what holds and may not be expected. `forms`: by such a sentence, the deployments
    whose form would change it; none of them: another deployment would."""

    sentence: str
    rules: tuple[Part, ...]
    never: tuple[Part, ...] = ()
    tests: tuple[Part, ...] = ()
    needs: tuple[str, ...] = ()
    surprises: tuple[str, ...] = ()
    forms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Filled:
    """Answers that fit their blanks."""

    origin: Part
    words: Mapping[str, tuple[str, ...]]
    amount: int = 0

    def rule_id(self) -> str:
        """`stays-on-prem-health`: the same answers give the same id."""
        words = [*self.words.get("group", ()), *self.words.get("what", ())]
        tail = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
        return f"{self.origin['id']}-{tail}"[:63].rstrip("-")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A sentence; its blanks by name stand in braces."""

    id: str
    sentence: str
    blanks: Mapping[str, BlankKind]
    write: Callable[[Filled, Situation], Built] = field(repr=False)

    def build(self, answers: Mapping[str, object], situation: Situation) -> Built:
        """The parts that the filled sentence means. Pure. Raises WrongAnswer."""
        for name in answers:
            if name not in self.blanks:
                raise WrongAnswer(str(name)[:64], "This recipe has no such blank.")
        words: dict[str, tuple[str, ...]] = {}
        amount = 0
        for name, kind in self.blanks.items():
            if kind is BlankKind.AMOUNT:
                amount = amount_of(name, answers.get(name))
            else:
                words[name] = words_of(name, answers.get(name), situation.choices(kind))
        kept: dict[str, Answer] = {name: list(each) for name, each in words.items()}  # type: ignore[misc]
        if amount:
            kept["amount"] = amount
        return self.write(Filled({"id": self.id, "answers": kept}, words, amount), situation)


def _stays(filled: Filled, situation: Situation) -> Built:
    what = filled.words["what"]
    rule: Part = {
        "id": filled.rule_id(),
        "when": {"category": list(what)},
        "then": {"allow_only": {"zone": ON_PREM}},
        "recipe": filled.origin,
    }
    never: Part = {"label": {"category": list(what)}, "zone": ELSEWHERE, "recipe": filled.origin}
    tests: list[Part] = [
        {
            "text": "An example.",
            "declare": one,
            "alias": alias,
            "expect": {"zone": ON_PREM} if at_home else {"denied": True},
            "recipe": filled.origin,
        }
        for one in what
        for alias, at_home in _aliases(situation.policy, one)
    ]
    at_home = [name for name, facts in _facts(situation) if facts.zone is Zone.ON_PREM]
    needs = _nobody_cleared("on-prem", at_home, what, situation)
    return Built(
        sentence=f"{_capital(listed(what))} data never leaves the house.",
        rules=(rule,),
        never=(never,),
        tests=tuple(tests),
        needs=tuple(needs),
        surprises=(*_only_declared(what, situation), *_no_home(what, situation)),
        forms=needs,
    )


def _masked(filled: Filled, situation: Situation) -> Built:
    what, to, masked = filled.words["what"], filled.words["to"], filled.words["masked"]
    rule: Part = {
        "id": filled.rule_id(),
        "when": {"category": list(what)},
        "then": {"mask": list(masked), "for": {"deployment": list(to)}},
        "recipe": filled.origin,
    }
    wanted = situation.policy.taxonomy.join([Label(categories=frozenset(what))])
    needs = {
        f"{name} must be cleared for {wanted.sensitivity.word} and {listed(what)}: a policy only "
        "narrows what a deployment may receive.": (name,)
        for name in to
        if not _covers(situation.policy.deployments[name].clearance, wanted)
    }
    # What is declared cannot be masked: it shows that the clearance is there, and the way open.
    tests: list[Part] = [
        {
            "text": "An example.",
            "declare": one,
            "alias": alias,
            "expect": {"deployment": name},
            "recipe": filled.origin,
        }
        for one in what
        for name in to
        for alias in _leading_there_alone(situation.policy, name)
        if _covers(situation.policy.deployments[name].clearance, _label_of(one, situation))
    ]
    nouns = listed([counted(name, 2).removeprefix("2 ") for name in masked])
    return Built(
        sentence=f"{_capital(listed(what))} may go to {listed(to)} with {nouns} masked.",
        rules=(rule,),
        tests=tuple(tests),
        needs=tuple(needs),
        surprises=(*_left_unmasked(what, to, masked, situation), *_only_declared(what, situation)),
        forms=needs,
    )


def _regions(filled: Filled, situation: Situation) -> Built:
    what, regions = filled.words["what"], filled.words["regions"]
    rule: Part = {
        "id": filled.rule_id(),
        "when": {"category": list(what)},
        "then": {"allow_only": {"region": list(regions)}},
        "recipe": filled.origin,
    }
    tests: list[Part] = [
        {
            "text": "An example.",
            "declare": one,
            "alias": alias,
            "expect": {"denied": True},
            "recipe": filled.origin,
        }
        for one in what
        for alias, names in situation.policy.aliases.items()
        if not any(situation.policy.deployments[name].region in regions for name in names)
        and _serves_chats(situation.policy.targets[alias])
    ]
    silent = [name for name, facts in _facts(situation) if not facts.region]
    surprises = {
        f"Nobody said in which region {name} is, so it gets none of this: state its region.": (
            name,
        )
        for name in silent[:_MOST_NAMED]
    }
    there = [name for name, facts in _facts(situation) if facts.region and facts.region in regions]
    needs = _nobody_cleared(f"in {listed(regions)}", there, what, situation)
    return Built(
        sentence=f"Only {listed(regions)} regions for {listed(what)}.",
        rules=(rule,),
        tests=tuple(tests),
        needs=tuple(needs),
        surprises=(*surprises, *_only_declared(what, situation)),
        forms={**needs, **surprises},
    )


def _monthly(filled: Filled, situation: Situation) -> Built:
    (group, *_), amount = filled.words["group"], filled.amount
    rule: Part = {
        "id": filled.rule_id(),
        "when": {"group": [group], "budget": "exhausted"},
        "then": {"allow_only": {"zone": ON_PREM}},
        "recipe": filled.origin,
    }
    at_home = any(_on_prem(target) for one in situation.policy.targets.values() for target in one)
    surprises = ["What was begun before the budget was used up is answered to its end."]
    if not at_home:
        surprises.append("No model of this project runs on-prem: they would get a refusal.")
    return Built(
        sentence=f"{_capital(group)} may use at most {amount} per month, then on-prem.",
        rules=(rule,),
        needs=(
            f"A budget of {amount} a month for the group {group} that lets requests go on when it "
            "is used up: the rule asks for its state and does not set it.",
        ),
        surprises=tuple(surprises),
    )


RECIPES: Mapping[str, Recipe] = {
    recipe.id: recipe
    for recipe in (
        Recipe(
            "stays-on-prem",
            "{what} data never leaves the house.",
            {"what": BlankKind.CATEGORIES},
            _stays,
        ),
        Recipe(
            "masked-for",
            "{what} may go to {to} with {masked} masked.",
            {
                "what": BlankKind.CATEGORIES,
                "to": BlankKind.DEPLOYMENTS,
                "masked": BlankKind.DATA_CLASSES,
            },
            _masked,
        ),
        Recipe(
            "only-regions",
            "Only {regions} regions for {what}.",
            {"regions": BlankKind.REGIONS, "what": BlankKind.CATEGORIES},
            _regions,
        ),
        Recipe(
            "then-on-prem",
            "{group} may use at most {amount} per month, then on-prem.",
            {"group": BlankKind.GROUP, "amount": BlankKind.AMOUNT},
            _monthly,
        ),
    )
}


def _aliases(policy: CompiledPolicy, category: str) -> list[tuple[str, bool]]:
    """Each alias, and whether a deployment on-prem could take the category there."""
    label = policy.taxonomy.join([policy.floor, Label(categories=frozenset({category}))])
    return [
        (
            alias,
            any(
                _on_prem(target) and target.enabled and _covers(target.clearance, label)
                for target in targets
            ),
        )
        for alias, targets in policy.targets.items()
        if _serves_chats(targets)
    ]


def _serves_chats(targets: Sequence[Target]) -> bool:
    return any("chat.completions" in target.endpoints and target.enabled for target in targets)


def _leading_there_alone(policy: CompiledPolicy, deployment: str) -> list[str]:
    return [
        alias
        for alias, names in policy.aliases.items()
        if names == (deployment,) and _serves_chats(policy.targets[alias])
    ]


def _label_of(category: str, situation: Situation) -> Label:
    policy = situation.policy
    return policy.taxonomy.join([policy.floor, Label(categories=frozenset({category}))])


def _on_prem(target: Target) -> bool:
    return target.zone is Zone.ON_PREM


def _covers(clearance: Clearance, label: Label) -> bool:
    inside = clearance.categories is None or label.categories <= clearance.categories
    return label.sensitivity <= clearance.sensitivity and inside


def _only_declared(what: Sequence[str], situation: Situation) -> list[str]:
    found = set(situation.data_classes.values())
    return [
        f"Nothing here recognizes {name} data: it counts only where somebody declares it."
        for name in what
        if name not in found
    ]


def _facts(situation: Situation) -> list[tuple[str, DeploymentFacts]]:
    """The project's deployments by name."""
    return sorted(situation.policy.deployments.items())


def _nobody_cleared(
    where: str, names: Sequence[str], what: Sequence[str], situation: Situation
) -> dict[str, tuple[str, ...]]:
    """What none of these deployments may receive, each with those that could be cleared for it."""
    deployments = situation.policy.deployments
    found = {}
    for one in what:
        label = _label_of(one, situation)
        if not any(_covers(deployments[name].clearance, label) for name in names):
            sentence = (
                f"No deployment {where} is cleared for {label.sensitivity.word} and "
                f"{listed(sorted(label.categories))}, so all of it is refused: a policy only "
                "narrows what a deployment may receive."
            )
            found[sentence] = tuple(names)
    return found


def _no_home(what: Sequence[str], situation: Situation) -> list[str]:
    aliases = {alias for one in what for alias, home in _aliases(situation.policy, one) if not home}
    if not aliases:
        return []
    return [
        f"Asked for by name, {listed(sorted(aliases))} will refuse it: nothing there is on-prem."
    ]


def _left_unmasked(
    what: Sequence[str], to: Sequence[str], masked: Sequence[str], situation: Situation
) -> list[str]:
    """What the texts would still be kept back for, and what nobody finds."""
    policy, classes = situation.policy, situation.data_classes
    clearances = [policy.deployments[name].clearance for name in to]
    left = [
        name
        for name, category in sorted(classes.items())
        if not {name, category} & {*masked, *what}
        and category in {classes[one] for one in masked}
        and any(
            not _covers(one, policy.taxonomy.join([Label(categories=frozenset({category}))]))
            for one in clearances
        )
    ]
    surprises = []
    if left:
        nouns = [counted(name, 2).removeprefix("2 ") for name in left]
        named = listed(nouns[:_MOST_NAMED]) + (" and others" if len(nouns) > _MOST_NAMED else "")
        surprises.append(
            f"{_capital(named)} stay unmasked, so what holds them does not go to {listed(to)}: "
            "mask them too?"
        )
    personal = "personal" in {classes[one] for one in masked}
    if personal and "PERSON_NAME" not in classes:
        surprises.append(
            "Nothing here finds names of people: a name leaves with the rest of the text. Declare "
            "it, or keep a list of the names that matter."
        )
    return surprises


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
