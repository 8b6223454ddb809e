"""What a project has and lacks for a recipe: whom an alias leads to, who is cleared, what nobody
finds; most of it as sentences. Pure."""

from collections.abc import Sequence

from policies.engine.blanks import Situation
from policies.engine.compile import CompiledPolicy, Target
from policies.engine.facts import Clearance, DeploymentFacts, Zone
from policies.engine.labels import Label
from policies.engine.nouns import counted, listed
from policies.engine.rules import Prefer

MOST_NAMED = 3  # in one sentence


def aliases(policy: CompiledPolicy, *categories: str) -> list[tuple[str, bool]]:
    """Each alias for chats, and whether a deployment on-prem could take these categories there."""
    label = policy.taxonomy.join([policy.floor, Label(categories=frozenset(categories))])
    return [
        (
            alias,
            any(
                on_prem(target) and target.enabled and covers(target.clearance, label)
                for target in targets
            ),
        )
        for alias, targets in policy.targets.items()
        if serves_chats(targets)
    ]


def serves_chats(targets: Sequence[Target]) -> bool:
    """Whether any of them answers chats."""
    return any("chat.completions" in target.endpoints and target.enabled for target in targets)


def leading_there(policy: CompiledPolicy, deployment: str) -> list[str]:
    """The aliases for chats that lead to this deployment alone; without any, those in which it
    comes first, unless a rule may reorder them."""
    serving = {
        alias: names
        for alias, names in policy.aliases.items()
        if serves_chats(policy.targets[alias])
    }
    alone = [alias for alias, names in serving.items() if names == (deployment,)]
    if alone or any(isinstance(each.rule.then, Prefer) for each in policy.rules):
        return alone
    return [alias for alias, names in serving.items() if names[0] == deployment]


def label_of(category: str, situation: Situation) -> Label:
    """The least label of a request of the project with this category."""
    policy = situation.policy
    return policy.taxonomy.join([policy.floor, Label(categories=frozenset({category}))])


def on_prem(target: Target) -> bool:
    """Whether it is in the house."""
    return target.zone is Zone.ON_PREM


def covers(clearance: Clearance, label: Label) -> bool:
    """Whether a deployment with this clearance may receive it."""
    inside = clearance.categories is None or label.categories <= clearance.categories
    return label.sensitivity <= clearance.sensitivity and inside


def only_declared(what: Sequence[str], situation: Situation) -> list[str]:
    """Says which of the categories nothing finds."""
    found = set(situation.data_classes.values())
    return [
        f"Nothing here recognizes {name} data: it counts only where somebody declares it."
        for name in what
        if name not in found
    ]


def deployments(situation: Situation) -> list[tuple[str, DeploymentFacts]]:
    """The project's deployments by name."""
    return sorted(situation.policy.deployments.items())


def nobody_cleared(
    where: str, names: Sequence[str], what: Sequence[str], situation: Situation
) -> dict[str, tuple[str, ...]]:
    """What none of these deployments may receive, each with those that could be cleared for it."""
    known = situation.policy.deployments
    found = {}
    for one in what:
        label = label_of(one, situation)
        if not any(covers(known[name].clearance, label) for name in names):
            sentence = (
                f"No deployment {where} is cleared for {label.sensitivity.word} and "
                f"{listed(sorted(label.categories))}, so all of it is refused: a policy only "
                "narrows what a deployment may receive."
            )
            found[sentence] = tuple(names)
    return found


def no_home(what: Sequence[str], situation: Situation) -> list[str]:
    """Says which aliases lead to nothing on-prem that could take it."""
    away = {alias for one in what for alias, home in aliases(situation.policy, one) if not home}
    if not away:
        return []
    return [f"Asked for by name, {listed(sorted(away))} will refuse it: nothing there is on-prem."]


def left_unmasked(
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
            not covers(one, policy.taxonomy.join([Label(categories=frozenset({category}))]))
            for one in clearances
        )
    ]
    surprises = []
    if left:
        nouns = [counted(name, 2).removeprefix("2 ") for name in left]
        named = listed(nouns[:MOST_NAMED]) + (" and others" if len(nouns) > MOST_NAMED else "")
        surprises.append(
            f"{capital(named)} stay unmasked, so what holds them does not go to {listed(to)}: "
            "mask them too?"
        )
    personal = "personal" in {classes[one] for one in masked}
    if personal and "PERSON_NAME" not in classes:
        surprises.append(
            "Nothing here finds names of people: a name leaves with the rest of the text. Declare "
            "it, or keep a list of the names that matter."
        )
    return surprises


def capital(words: str) -> str:
    """As at the beginning of a sentence."""
    return words[:1].upper() + words[1:]
