"""Semantic rule 11, over generated policies and requests.

The clearance check is written here once more, from the text of rule 2 and on its own, so that
the engine is not its own judge.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations
from math import prod
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from policies.engine import judge
from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy, compile_policy
from policies.engine.decide import decide
from policies.engine.facts import Clearance, DeploymentFacts, Evidence, RequestFacts, Zone
from policies.engine.labels import DEFAULT_MINIMUMS, Label, Sensitivity, Taxonomy
from policies.engine.permit import MaskMode, Permit, strictest_mode

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
NAMES = ("llama", "claude", "vpc")
CATEGORIES = ("code", "personal", "health")
CLASSES: Mapping[str, Label] = {
    "EMAIL_ADDRESS": Label(Sensitivity.CONFIDENTIAL, frozenset({"personal"})),
    "PERSON_NAME": Label(Sensitivity.CONFIDENTIAL, frozenset({"personal"})),
    "MEDICAL_RECORD_NUMBER": Label(Sensitivity.RESTRICTED, frozenset({"health"})),
    "SOURCE_CODE": Label(Sensitivity.INTERNAL, frozenset({"code"})),
}


def mixed(
    build: Callable[..., Any], *choices: Sequence[Any], times: int = 1
) -> st.SearchStrategy[Any]:
    """`build` over one of each of the choices, in a single draw: many draws are slow.

    `times` above 1: a list of so many, far apart.
    """
    sizes = [len(choice) for choice in choices]

    def pick(number: int) -> Any:
        picked = []
        for choice, size in zip(choices, sizes, strict=True):
            number, place = divmod(number, size)
            picked.append(choice[place])
        return build(*picked)

    every = prod(sizes)
    numbers = st.sampled_from(range(every))
    if times == 1:
        return numbers.map(pick)
    # A large prime as the step meets other choices in every place.
    return numbers.map(
        lambda number: [pick((number + place * 7_368_787) % every) for place in range(times)]
    )


def some(*words: str) -> frozenset[str]:
    return frozenset(words)


TEXT, IMAGE = some("text"), some("text", "image")


def deployment(name: str) -> st.SearchStrategy[DeploymentFacts]:
    return mixed(
        lambda zone, sensitivity, cleared, modalities, region, trains, until, enabled: (
            DeploymentFacts(
                name=name,
                zone=zone,
                clearance=Clearance(sensitivity, cleared),
                endpoints=some("chat.completions"),
                modalities=modalities,
                region=region,
                trains_on_data=trains,
                evidence=(Evidence("contract", "K", until),),
                enabled=enabled,
            )
        ),
        [*Zone],
        [*Sensitivity, Sensitivity.CONFIDENTIAL, *[Sensitivity.RESTRICTED] * 3],
        [*[None] * 5, some(), some("code"), some("code", "personal"), some("health", "personal")],
        [IMAGE, TEXT],
        [None, "eu", "us"],
        [None, False, True],
        [*[None] * 6, date(2027, 1, 1), date(2026, 1, 1)],
        [True, True, True, True, False],
    )


worlds = st.builds(
    lambda *made: {facts.name: facts for facts in made}, *(deployment(name) for name in NAMES)
)
SELECTORS: list[r.Selector] = [
    r.Selector(zones=frozenset({Zone.ON_PREM})),
    r.Selector(zones=frozenset({Zone.CLOUD})),
    r.ALL_BUT_ON_PREM,
    r.Selector(deployments=some("llama")),
    r.Selector(deployments=some("claude", "vpc")),
    r.Selector(regions=some("eu")),
    r.Selector(trains_on_data=False),
]
CONDITIONS = [
    *[r.ALWAYS] * 12,
    *(r.SensitivityIs(at_least=word) for word in Sensitivity),
    *(r.SensitivityIs(at_most=word) for word in Sensitivity),
    *(r.CategoryIs(any_of=some(name)) for name in CATEGORIES),
    r.CategoryIs(all_of=some("code", "personal")),
    r.DataClassIs(any_of=some("EMAIL_ADDRESS", "PERSON_NAME"), at_least=2),
    r.DataClassIs(any_of=some("MEDICAL_RECORD_NUMBER")),
    r.GroupIs(some("interns")),
    r.Not(r.GroupIs(some("interns"))),
    r.SizeIs(at_least=1000),
    r.ModalityIs(some("image")),
    r.TimeIs(days=frozenset({2}), timezone="Europe/Berlin"),
    r.AnyOf((r.GroupIs(some("interns")), r.SizeIs(at_most=1000))),
]
MASKS: list[r.Effect] = [
    r.Mask(names, selector, mode)
    for names in (
        some("EMAIL_ADDRESS"),
        some("EMAIL_ADDRESS", "PERSON_NAME"),
        some("personal"),
        some("personal", "health"),
        some("health", "code", "EMAIL_ADDRESS"),
        some(*CATEGORIES),
    )
    for selector in (r.EVERYWHERE, r.EVERYWHERE, *SELECTORS)
    for mode in (*MaskMode, MaskMode.PLACEHOLDER)
]
NARROWINGS: list[r.Effect] = [
    r.Deny(),
    *map(r.AllowOnly, SELECTORS),
    *map(r.RequireApproval, SELECTORS),
    *(r.Prefer(names=names) for names in permutations(NAMES)),
    *(r.Prefer(selector=selector) for selector in SELECTORS),
]


def rules(effects: Sequence[r.Effect], rule_id: str) -> st.SearchStrategy[r.Rule]:
    return mixed(lambda effect, when: r.Rule(rule_id, effect, when), effects, CONDITIONS)


surroundings = st.tuples(st.none() | rules(MASKS, "m"), st.none() | rules(NARROWINGS, "n"))


def request(base: Label, findings: dict[str, int], alias: str, **other: Any) -> RequestFacts:
    join = Taxonomy().join
    base = join([base])
    return RequestFacts(
        decision_id="d",
        digest="",
        endpoint="chat.completions",
        alias=alias,
        label=join([base, *(CLASSES[name] for name in findings)]),
        unmaskable=base,
        now=NOW,
        data_classes=findings,
        class_labels={name: CLASSES[name] for name in findings},
        **other,
    )


EACH = 8  # requests to one policy
requests = mixed(
    lambda base, findings, alias, groups, size, modalities: request(
        base, findings, alias, groups=groups, size_bytes=size, modalities=modalities
    ),
    [
        *[Label()] * 8,
        *(Label(word) for word in Sensitivity),
        Label(categories=some("code")),
        Label(categories=some("health")),
    ],
    [
        {},
        *({name: count} for name in CLASSES for count in (1, 2)),
        {"EMAIL_ADDRESS": 1, "SOURCE_CODE": 1},
        {"EMAIL_ADDRESS": 1, "PERSON_NAME": 2},
        {"EMAIL_ADDRESS": 1, "MEDICAL_RECORD_NUMBER": 1, "SOURCE_CODE": 1},
    ],
    [*["auto"] * 6, *NAMES],
    [some(), some("interns")],
    [10, 5000],
    [TEXT, TEXT, TEXT, IMAGE],
    times=EACH,
)


def policy_of(known: Mapping[str, DeploymentFacts], *written: r.Rule | None) -> CompiledPolicy:
    return compile_policy(
        organisation=None,
        project=r.PolicyDocument(
            kind=r.Kind.PROJECT,
            project="p",
            floor=Label(),
            rules=tuple(rule for rule in written if rule is not None),
        ),
        project_slug="p",
        deployments=known,
        aliases={"auto": NAMES} | {name: (name,) for name in NAMES},
        grants=frozenset(NAMES),
    )


Bytes = frozenset[tuple[str, MaskMode]]


def replaced(modes: tuple[tuple[str, MaskMode], ...], facts: RequestFacts) -> Bytes:
    """Which bytes: the classes that are replaced, and how."""
    found = set()
    for name in facts.data_classes:
        mode = strictest_mode(modes, name, CLASSES[name].categories)
        if mode is not None:
            found.add((name, mode))
    return frozenset(found)


def pairs(permit: Permit, facts: RequestFacts) -> set[tuple[str, Bytes]]:
    return {(item.deployment, replaced(item.modes, facts)) for item in permit.candidates}


def may_receive(deployment: DeploymentFacts, what: Bytes, facts: RequestFacts) -> bool:
    """Semantic rule 2, once more and on its own."""
    gone = {name for name, mode in what if mode is not MaskMode.PARTIAL}
    parts = [facts.unmaskable, *(CLASSES[name] for name in facts.data_classes if name not in gone)]
    held = set().union(*(part.categories for part in parts))
    sensitivity = max([part.sensitivity for part in parts] + [DEFAULT_MINIMUMS[c] for c in held])
    expired = any(
        item.valid_until is not None and item.valid_until < facts.now.date()
        for item in deployment.evidence
    )
    if expired:
        return sensitivity is Sensitivity.PUBLIC and not held
    cleared = deployment.clearance.categories
    return sensitivity <= deployment.clearance.sensitivity and (cleared is None or held <= cleared)


def check(body: Callable[..., None], examples: int, **strategies: Any) -> None:
    """Run a property; generation alone, since shrinking takes longer than the whole test."""
    settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(given(**strategies)(body))()


def adding_a_rule_that_does_not_mask(examples: int = 250) -> Counter[str]:
    seen: Counter[str] = Counter()

    def body(
        known: dict[str, DeploymentFacts],
        around: tuple[r.Rule | None, ...],
        rule: r.Rule,
        facts: list[RequestFacts],
    ) -> None:
        without, with_rule = policy_of(known, *around), policy_of(known, *around, rule)
        changing = False
        for one in facts:
            before = decide(without, one, masking_available=True)
            after = decide(with_rule, one, masking_available=True)
            assert pairs(after, one) <= pairs(before, one)
            for name, what in pairs(after, one):
                assert may_receive(known[name], what, one)
            changing |= before.candidates != after.candidates
        seen["rules"] += 1
        seen["changing"] += changing

    new = rules(NARROWINGS, "new")
    check(body, examples, known=worlds, around=surroundings, rule=new, facts=requests)
    return seen


def adding_a_rule_that_masks(examples: int = 250) -> Counter[str]:
    seen: Counter[str] = Counter()

    def body(
        known: dict[str, DeploymentFacts],
        around: tuple[r.Rule | None, ...],
        rule: r.Rule,
        facts: list[RequestFacts],
    ) -> None:
        without, with_rule = policy_of(known, *around), policy_of(known, *around, rule)
        changing = False
        for one in facts:
            before = decide(without, one, masking_available=True)
            after = decide(with_rule, one, masking_available=True)
            for name, what in pairs(after, one) - pairs(before, one):
                seen["added"] += 1
                assert what
                assert may_receive(known[name], what, one)
            changing |= before.candidates != after.candidates
        seen["rules"] += 1
        seen["changing"] += changing

    new = rules(MASKS, "new")
    check(body, examples, known=worlds, around=surroundings, rule=new, facts=requests)
    return seen


def restricted_bytes_stay_where_they_are_cleared(examples: int = 150) -> Counter[str]:
    seen: Counter[str] = Counter()

    def body(
        known: dict[str, DeploymentFacts],
        around: tuple[r.Rule | None, ...],
        masking: bool,
        facts: list[RequestFacts],
    ) -> None:
        policy = policy_of(known, *around)
        for one in facts:
            for item in decide(policy, one, masking_available=masking).candidates:
                seen["candidates"] += 1
                what = replaced(item.modes, one)
                assert masking or not what
                assert may_receive(known[item.deployment], what, one)
                if item.label.sensitivity is Sensitivity.RESTRICTED:
                    seen["restricted"] += 1
                    cleared = known[item.deployment].clearance
                    assert cleared.sensitivity is Sensitivity.RESTRICTED

    masking = st.booleans()
    check(body, examples, known=worlds, around=surroundings, masking=masking, facts=requests)
    return seen


PROPERTIES = [
    adding_a_rule_that_does_not_mask,
    adding_a_rule_that_masks,
    restricted_bytes_stay_where_they_are_cleared,
]


def test_adding_a_rule_that_does_not_mask_never_adds_a_deployment_or_bytes() -> None:
    seen = adding_a_rule_that_does_not_mask()
    assert seen["changing"] / seen["rules"] >= 0.3, seen


def test_adding_a_mask_never_adds_what_rule_2_forbids() -> None:
    seen = adding_a_rule_that_masks()
    assert seen["added"] > 50, seen
    assert seen["changing"] / seen["rules"] >= 0.3, seen


def test_restricted_bytes_never_reach_a_deployment_that_is_not_cleared_for_them() -> None:
    seen = restricted_bytes_stay_where_they_are_cleared()
    assert seen["candidates"] > 100, seen
    assert seen["restricted"] > 10, seen


@pytest.mark.parametrize("holds", PROPERTIES)
def test_without_the_clearance_check_the_property_fails(
    holds: Callable[[], Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "is_cleared", lambda label, clearance: True)
    with pytest.raises(AssertionError):
        holds()


def test_decide_is_total_and_an_error_denies() -> None:
    seen: Counter[str] = Counter()
    broken = r.Rule("broken", r.Deny(), r.TimeIs(timezone="Nowhere"))

    def body(
        known: dict[str, DeploymentFacts],
        around: tuple[r.Rule | None, ...],
        place: int,
        facts: list[RequestFacts],
    ) -> None:
        written = [*around]
        written.insert(place, broken)
        policy = policy_of(known, *written)
        for one in facts:
            permit = decide(policy, one, masking_available=True)
            assert permit.candidates == ()
            seen[permit.error] += 1

    places = st.sampled_from([0, 1, 2])
    check(body, 80, known=worlds, around=surroundings, place=places, facts=requests)
    assert seen["project:broken"] > 100
    assert set(seen) == {"project:broken", ""}  # "": nothing serves the alias, no rule is asked


def test_a_shadow_rule_changes_no_candidate() -> None:
    seen: Counter[str] = Counter()

    def body(
        known: dict[str, DeploymentFacts],
        around: tuple[r.Rule | None, ...],
        rule: r.Rule,
        facts: list[RequestFacts],
    ) -> None:
        shadow = replace(rule, shadow=True)
        without, with_shadow = policy_of(known, *around), policy_of(known, *around, shadow)
        for one in facts:
            before = decide(without, one, masking_available=True)
            after = decide(with_shadow, one, masking_available=True)
            assert (before.candidates, before.dropped) == (after.candidates, after.dropped)
            seen["recorded"] += bool(after.shadow)

    new = rules([*NARROWINGS, *MASKS], "new")
    check(body, 80, known=worlds, around=surroundings, rule=new, facts=requests)
    assert seen["recorded"] > 30
