"""Sentences with blanks that become rules, statements to prove, and tests.

A recipe writes parts of a policy document, as somebody would who knows the rules well; nothing it
writes means more than the same parts written by hand. Each part names the recipe and its answers
(`recipe`), so that a page can show the sentence again. What would still surprise is said, too.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policies.engine import recipe_words as w
from policies.engine.blanks import BlankKind, Situation, WrongAnswer, amount_of, words_of
from policies.engine.facts import Zone
from policies.engine.labels import Label
from policies.engine.nouns import counted, listed
from policies.engine.rules import Answer

Part = dict[str, object]
ON_PREM = Zone.ON_PREM.value
ELSEWHERE = [Zone.CLOUD.value, Zone.PRIVATE_CLOUD.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a filled recipe comes to. `needs` are things that no policy can do, one sentence each;
    `surprises` what holds and may not be expected. `forms`: by such a sentence, the deployments
    whose form would change it; none of them: another deployment would. `budgets`: by such a
    sentence, the US dollars a month of the budget that it asks for."""

    sentence: str
    rules: tuple[Part, ...]
    never: tuple[Part, ...] = ()
    tests: tuple[Part, ...] = ()
    needs: tuple[str, ...] = ()
    surprises: tuple[str, ...] = ()
    forms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    budgets: Mapping[str, int] = field(default_factory=dict)


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

    def rule(self, *, when: Part, then: Part) -> Part:
        """The rule that the sentence comes to."""
        return {"id": self.rule_id(), "when": when, "then": then, "recipe": self.origin}

    def test(self, alias: str, expect: Part, *, text: str = "An example.", **more: object) -> Part:
        """A test of it. `more`: other fields of a policy's test."""
        return {"text": text, "alias": alias, **more, "expect": expect, "recipe": self.origin}


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
    rule = filled.rule(when={"category": list(what)}, then={"allow_only": {"zone": ON_PREM}})
    never: Part = {"label": {"category": list(what)}, "zone": ELSEWHERE, "recipe": filled.origin}
    tests = [
        filled.test(alias, {"zone": ON_PREM} if at_home else {"denied": True}, declare=one)
        for one in what
        for alias, at_home in w.aliases(situation.policy, one)
    ]
    at_home = [name for name, facts in w.deployments(situation) if facts.zone is Zone.ON_PREM]
    needs = w.nobody_cleared("on-prem", at_home, what, situation)
    return Built(
        sentence=f"{w.capital(listed(what))} data never leaves the house.",
        rules=(rule,),
        never=(never,),
        tests=tuple(tests),
        needs=tuple(needs),
        surprises=(*w.only_declared(what, situation), *w.no_home(what, situation)),
        forms=needs,
    )


def _masked(filled: Filled, situation: Situation) -> Built:
    what, to, masked = filled.words["what"], filled.words["to"], filled.words["masked"]
    rule = filled.rule(
        when={"category": list(what)},
        then={"mask": list(masked), "for": {"deployment": list(to)}},
    )
    policy = situation.policy
    wanted = policy.taxonomy.join([Label(categories=frozenset(what))])
    needs = {
        f"{name} must be cleared for {wanted.sensitivity.word} and {listed(what)}: a policy only "
        "narrows what a deployment may receive.": (name,)
        for name in to
        if not w.covers(policy.deployments[name].clearance, wanted)
    }
    nouns = listed([counted(name, 2).removeprefix("2 ") for name in masked])
    return Built(
        sentence=f"{w.capital(listed(what))} may go to {listed(to)} with {nouns} masked.",
        rules=(rule,),
        tests=tuple(_masked_tests(filled, situation)),
        needs=tuple(needs),
        surprises=(
            *w.left_unmasked(what, to, masked, situation),
            *w.only_declared(what, situation),
            *_untested(filled, situation),
        ),
        forms=needs,
    )


def _masked_tests(filled: Filled, situation: Situation) -> Iterator[Part]:
    """For each destination: that the way is open, and that one finding of each class is masked.

    The category is declared, and what is declared cannot be masked: so the test shows, too, that
    the clearance is there.
    """
    policy = situation.policy
    for name in filled.words["to"]:
        clearance = policy.deployments[name].clearance
        open_for = [
            one for one in filled.words["what"] if w.covers(clearance, w.label_of(one, situation))
        ]
        for alias in w.leading_there(policy, name):
            for one in open_for:
                yield filled.test(alias, {"deployment": name}, declare=one)
            for one in open_for[:1]:
                for masked in _shown_by_example(filled, situation):
                    yield filled.test(
                        alias,
                        {"deployment": name, "masked": 1},
                        declare=one,
                        text=situation.examples[masked],
                    )


def _shown_by_example(filled: Filled, situation: Situation) -> list[str]:
    return [name for name in filled.words["masked"] if name in situation.examples]


def _untested(filled: Filled, situation: Situation) -> list[str]:
    """What no test written here shows."""
    shown = _shown_by_example(filled, situation)
    missing = [name for name in filled.words["masked"] if name not in shown]
    surprises = []
    if missing:
        nouns = listed([counted(name, 2).removeprefix("2 ") for name in missing])
        surprises.append(
            f"No test shows that {nouns} are masked: nobody knows an example. Write one yourself."
        )
    for name in filled.words["to"]:
        if not w.leading_there(situation.policy, name):
            surprises.append(
                f"No model leads to {name} first of all, so no test shows what goes there: give it "
                "an alias of its own."
            )
    return surprises


def _regions(filled: Filled, situation: Situation) -> Built:
    what, regions = filled.words["what"], filled.words["regions"]
    rule = filled.rule(
        when={"category": list(what)}, then={"allow_only": {"region": list(regions)}}
    )
    others = [name for name in situation.choices(BlankKind.REGIONS) if name not in regions]
    never: Part = {
        "label": {"category": list(what)},
        "region": others,
        "recipe": filled.origin,
    }
    silent = [name for name, facts in w.deployments(situation) if not facts.region]
    surprises = {
        f"Nobody said in which region {name} is, so it gets none of this: state its region.": (
            name,
        )
        for name in silent[: w.MOST_NAMED]
    }
    there = [name for name, facts in w.deployments(situation) if facts.region in regions]
    needs = w.nobody_cleared(f"in {listed(regions)}", there, what, situation)
    return Built(
        sentence=f"Only {listed(regions)} regions for {listed(what)}.",
        rules=(rule,),
        never=(never,) if others else (),
        tests=tuple(_region_tests(filled, there, situation)),
        needs=tuple(needs),
        surprises=(*surprises, *w.only_declared(what, situation)),
        forms={**needs, **surprises},
    )


def _region_tests(filled: Filled, there: Sequence[str], situation: Situation) -> Iterator[Part]:
    """Each model goes to the one deployment that it has there; one that has none refuses."""
    policy = situation.policy
    for one in filled.words["what"]:
        label = w.label_of(one, situation)
        for alias, targets in policy.targets.items():
            if not w.serves_chats(targets):
                continue
            inside = [
                target.name
                for target in targets
                if target.name in there and target.enabled and w.covers(target.clearance, label)
            ]
            if not inside:
                yield filled.test(alias, {"denied": True}, declare=one)
            elif len(inside) == 1:
                yield filled.test(alias, {"deployment": inside[0]}, declare=one)


def _monthly(filled: Filled, situation: Situation) -> Built:
    (group, *_), amount = filled.words["group"], filled.amount
    rule = filled.rule(
        when={"group": [group], "budget": "exhausted"}, then={"allow_only": {"zone": ON_PREM}}
    )
    aliases = w.aliases(situation.policy)
    tests = [
        filled.test(
            alias,
            {"zone": ON_PREM} if at_home else {"denied": True},
            groups=[group],
            budget="exhausted",
        )
        for alias, at_home in aliases
    ]
    surprises = ["What was begun before the budget was used up is answered to its end."]
    if not any(at_home for _alias, at_home in aliases):
        surprises.append("No model of this project runs on-prem: they would get a refusal.")
    need = (
        f"A budget of {amount} a month, for each member or for all, that lets requests go on when "
        f"it is used up: the rule asks how budgets stand and sets none; none is for {group} alone."
    )
    return Built(
        sentence=f"{w.capital(group)} may use at most {amount} per month, then on-prem.",
        rules=(rule,),
        tests=tuple(tests),
        needs=(need,),
        surprises=tuple(surprises),
        budgets={need: amount},
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
