"""The requests that a policy can tell apart, one for each.

Findings are counted once per class, or as often as a condition asks for. Classes that no rule
names are represented by their category, and categories that nothing tells apart by one of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, islice, product
from types import MappingProxyType
from typing import TypeVar

from policies.engine import rules as r
from policies.engine.compile import APPROVAL, CompiledPolicy
from policies.engine.conditions import RuleError, Test, compile_condition
from policies.engine.facts import RequestFacts
from policies.engine.labels import PUBLIC, Label, Sensitivity
from policies.engine.reading import BUDGET_STATES

# Combinations made of one dimension, smallest first. Past it the domain is not whole.
DIMENSION_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that a request of this policy may take, one list a dimension.

    `policy` is the one to decide with. `whole` is false where values were left out.
    """

    policy: CompiledPolicy
    labels: tuple[Label, ...]
    findings: tuple[Mapping[str, int], ...]
    class_labels: Mapping[str, Label]
    others: tuple[Mapping[str, object], ...]  # fields of RequestFacts
    suspended: frozenset[str]
    whole: bool  # nothing was left out for its number

    @property
    def states(self) -> int:
        """How many requests there are."""
        return len(self.labels) * len(self.findings) * len(self.others)

    def requests(self) -> Iterator[RequestFacts]:
        """Every combination, the least label first."""
        join = self.policy.taxonomy.join
        for other, findings, base in product(self.others, self.findings, self.labels):
            worst = self.policy.taxonomy.worst
            contributed = [self.class_labels.get(name, worst) for name in findings]
            yield RequestFacts(
                decision_id="proof",
                digest="",
                label=join((self.policy.floor, base, *contributed)),
                unmaskable=base,
                data_classes=findings,
                class_labels=self.class_labels,
                suspended=self.suspended,
                **other,  # type: ignore[arg-type]  # fields by name, built in `_others`
            )

    @classmethod
    def of(
        cls,
        policy: CompiledPolicy,
        class_labels: Mapping[str, Label],
        wanted: Sequence[r.Never],
        suspended: frozenset[str],
    ) -> "Domain":
        """The domain of a policy for these statements; see `prove.prove` for the arguments."""
        # Evidence that runs out only narrows, and would tie the proof to a date.
        lasting = {
            alias: tuple(replace(target, valid_until=None) for target in targets)
            for alias, targets in policy.targets.items()
        }
        policy = replace(policy, targets=MappingProxyType(lasting))
        approvals = {rule.key for rule in policy.rules if rule.kind == APPROVAL}
        atoms = list(chain.from_iterable(atoms_of(rule.rule.when) for rule in policy.rules))
        labels_of = dict(class_labels)
        counts = _class_counts(policy, atoms, labels_of)
        limits = _Limits()
        return cls(
            policy=policy,
            labels=tuple(_labels(policy, atoms, wanted, limits)),
            findings=tuple(
                {name: count for name, count in zip(counts, chosen, strict=True) if count}
                for chosen in limits.cap(product(*counts.values()))
            ),
            class_labels=MappingProxyType(labels_of),
            others=tuple(limits.cap(_others(policy, atoms, limits))),
            suspended=suspended | approvals,
            whole=limits.whole,
        )


T = TypeVar("T")


@dataclass(slots=True)
class _Limits:
    """Caps what grows with the number of names, and remembers whether it had to."""

    whole: bool = True

    def cap(self, values: Iterable[T]) -> list[T]:
        """The values up to the limit."""
        found = list(islice(values, DIMENSION_LIMIT + 1))
        if len(found) > DIMENSION_LIMIT:
            self.whole = False
        return found[:DIMENSION_LIMIT]

    def subsets(self, names: Sequence[str]) -> list[frozenset[str]]:
        """The subsets, the smallest first."""
        sizes = (combinations(names, size) for size in range(len(names) + 1))
        return [frozenset(subset) for subset in self.cap(chain.from_iterable(sizes))]


def atoms_of(condition: r.Condition) -> Iterator[r.Condition]:
    """What a condition is made of: those that are neither `all`, `any` nor `not`."""
    match condition:
        case r.AllOf(parts) | r.AnyOf(parts):
            for part in parts:
                yield from atoms_of(part)
        case r.Not(part):
            yield from atoms_of(part)
        case _:
            yield condition


def _labels(
    policy: CompiledPolicy,
    atoms: Sequence[r.Condition],
    wanted: Sequence[r.Never],
    limits: _Limits,
) -> Iterator[Label]:
    """Every label up to categories that nothing tells apart: of these, one stands for all."""
    minimums = policy.taxonomy.minimums
    named: set[str] = set()
    for atom in atoms:
        if isinstance(atom, r.CategoryIs):
            named |= atom.any_of | atom.all_of
    for statement in wanted:
        named |= statement.categories
    kinds: dict[object, str] = {}
    for category in sorted(minimums):
        cleared = frozenset(
            name
            for name, facts in policy.deployments.items()
            if facts.clearance.categories is None or category in facts.clearance.categories
        )
        look = category if category in named else (minimums[category], cleared)
        kinds.setdefault(look, category)
    seen: set[Label] = set()
    for sensitivity in Sensitivity:
        for categories in limits.subsets(sorted(kinds.values())):
            label = policy.taxonomy.join((Label(sensitivity, categories), policy.floor))
            if label not in seen:
                seen.add(label)
                yield label


def _class_counts(
    policy: CompiledPolicy, atoms: Sequence[r.Condition], labels: dict[str, Label]
) -> dict[str, tuple[int, ...]]:
    """How many findings of each class to try; adds a stand-in class for each masked category."""
    counts: dict[str, set[int]] = {}
    for atom in atoms:
        if isinstance(atom, r.DataClassIs):
            for name in atom.any_of | atom.all_of:
                counts.setdefault(name, {0, 1}).update({atom.at_least - 1, atom.at_least})
    minimums = policy.taxonomy.minimums
    for rule in policy.rules:
        if isinstance(rule.rule.then, r.Mask):
            for name in rule.rule.then.names:
                stand_in = f"any {name}" if name in minimums else name
                if name in minimums:
                    labels[stand_in] = Label(minimums[name], frozenset({name}))
                counts.setdefault(stand_in, {0, 1})
    return {name: tuple(sorted(values)) for name, values in sorted(counts.items())}


def _others(
    policy: CompiledPolicy, atoms: Sequence[r.Condition], limits: _Limits
) -> Iterator[Mapping[str, object]]:
    """The other dimensions; of values on which all conditions agree, one stands for all."""
    subsets = limits.subsets
    tools = [*_named(atoms, r.ToolsAre), "other"]
    modalities = subsets(sorted({"text", *_named(atoms, r.ModalityIs)}))
    yield from (
        {name: value for part in parts for name, value in part.items()}
        for parts in product(
            _each("alias", _aliases(policy, atoms)),
            _each("endpoint", _endpoints(policy, atoms)),
            _each("modalities", [subset for subset in modalities if subset]),
            _told_apart(atoms, r.GroupIs, _each("groups", subsets(_named(atoms, r.GroupIs)))),
            _told_apart(atoms, r.KeyIs, _each("key", ["", *_named(atoms, r.KeyIs)])),
            _told_apart(atoms, r.SizeIs, _each("size_bytes", _sizes(atoms))),
            _told_apart(atoms, r.ToolsAre, _each("tools", subsets(tools))),
            _told_apart(atoms, r.BudgetIs, _each("budget", BUDGET_STATES)),
            _told_apart(atoms, r.TimeIs, _each("now", _moments(atoms))),
        )
    )


def _aliases(policy: CompiledPolicy, atoms: Sequence[r.Condition]) -> list[str]:
    """The aliases; of those that no rule names and that lead to the same places, one."""
    named = {name for atom in atoms if isinstance(atom, r.AliasIs) for name in atom.any_of}
    looks: dict[object, str] = {}
    for alias, names in policy.aliases.items():
        looks.setdefault(alias if alias in named else frozenset(names), alias)
    return list(looks.values())


def _endpoints(policy: CompiledPolicy, atoms: Sequence[r.Condition]) -> list[str]:
    """The endpoints that are served; of those that no rule names and the same serve, one."""
    named = {name for atom in atoms if isinstance(atom, r.EndpointIs) for name in atom.any_of}
    served: dict[str, set[str]] = {}
    for facts in policy.deployments.values():
        for endpoint in facts.endpoints:
            served.setdefault(endpoint, set()).add(facts.name)
    looks: dict[object, str] = {}
    for endpoint, names in sorted(served.items()):
        looks.setdefault(endpoint if endpoint in named else frozenset(names), endpoint)
    return list(looks.values())


def _each(name: str, values: Iterable[object]) -> list[dict[str, object]]:
    return [{name: value} for value in values]


def _told_apart(
    atoms: Sequence[r.Condition], kind: type, values: Sequence[Mapping[str, object]]
) -> list[Mapping[str, object]]:
    """One of the values for each combination of answers that the conditions of a kind give."""
    tests = [compile_condition(atom) for atom in atoms if isinstance(atom, kind)]
    chosen: dict[tuple[bool | None, ...], Mapping[str, object]] = {}
    for value in values:
        facts = replace(_BLANK, **value)  # type: ignore[arg-type]  # one field, by name
        chosen.setdefault(tuple(_answer(test, facts) for test in tests), value)
    return list(chosen.values())


_BLANK = RequestFacts(
    decision_id="",
    digest="",
    endpoint="",
    alias="",
    label=PUBLIC,
    now=datetime(2026, 1, 1, tzinfo=UTC),
)


def _answer(test: Test, facts: RequestFacts) -> bool | None:
    try:
        return test(facts, PUBLIC)
    except RuleError:
        return None


def _named(
    atoms: Sequence[r.Condition],
    kind: type[r.GroupIs] | type[r.KeyIs] | type[r.ModalityIs] | type[r.ToolsAre],
) -> list[str]:
    return sorted({name for atom in atoms if isinstance(atom, kind) for name in atom.any_of or ()})


def _sizes(atoms: Sequence[r.Condition]) -> list[int]:
    sizes = {0}
    for atom in atoms:
        if isinstance(atom, r.SizeIs):
            bounds = (atom.at_least, atom.at_most if atom.at_most is not None else atom.at_least)
            sizes.update(max(0, bound + step) for bound in bounds for step in (-1, 0, 1))
    return sorted(sizes)


def _moments(atoms: Sequence[r.Condition]) -> list[datetime]:
    """Every moment of a week in winter and one in summer at which a window may open or close.

    Time zones lie whole quarters of an hour apart.
    """
    times = [atom for atom in atoms if isinstance(atom, r.TimeIs)]
    if not times:
        return [datetime(2026, 1, 5, tzinfo=UTC)]
    minutes = {0, 15, 30, 45}
    for atom in times:
        minutes.add(atom.start.minute)
        if atom.end is not None:
            minutes.add(atom.end.minute)
    weeks = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC))
    return [
        week + timedelta(hours=hour, minutes=minute + shift)
        for week in weeks
        for hour in range(7 * 24)
        for minute in sorted(minutes)
        for shift in (0, 15, 30, 45)
    ]
