"""Recipes: what a filled sentence comes to, and that it holds."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from policies.classification.examples import EXAMPLES
from policies.classification.recognizers import DATA_CLASSES
from policies.engine.blanks import BlankKind, Situation, WrongAnswer
from policies.engine.compile import CompiledPolicy
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts
from policies.engine.labels import Label
from policies.engine.prove import prove
from policies.engine.recipes import RECIPES, Built

MakePolicy = Callable[[Any], CompiledPolicy]
MakeFacts = Callable[[CompiledPolicy, Any], RequestFacts]
CLASSES = {
    name: DATA_CLASSES[name]
    for name in ("EMAIL_ADDRESS", "IBAN", "MEDICAL_RECORD_NUMBER", "SOURCE_CODE", "AWS_ACCESS_KEY")
} | {"PERSON_NAME": "personal"}


@pytest.fixture
def situation(world: Mapping[str, Any], make_policy: MakePolicy) -> Situation:
    return Situation(make_policy(world), CLASSES, groups=("interns",), examples=EXAMPLES)


@pytest.fixture
def cooked(
    world: Mapping[str, Any], make_policy: MakePolicy, situation: Situation
) -> Callable[..., tuple[Built, CompiledPolicy]]:
    """A recipe filled, and the policy with it."""

    def cook(recipe: str, **answers: object) -> tuple[Built, CompiledPolicy]:
        built = RECIPES[recipe].build(answers, situation)
        parts = {"rules": list(built.rules), "never": list(built.never)}
        return built, make_policy({**world, "project": parts})

    return cook


def test_what_stays_stays_and_that_is_proven(
    cooked: Callable[..., tuple[Built, CompiledPolicy]], make_facts: MakeFacts
) -> None:
    built, policy = cooked("stays-on-prem", what=["health", "legal"])
    assert built.sentence == "Health and legal data never leaves the house."
    labels = {
        name: policy.taxonomy.join([Label(categories=frozenset({category}))])
        for name, category in CLASSES.items()
    }
    (proof,) = prove(policy, class_labels=labels)
    assert proof.proven
    declared = make_facts(policy, {"declared": {"categories": ["legal"]}})
    assert [each.deployment for each in decide(policy, declared).candidates] == ["llama"]
    assert built.surprises == (
        "Nothing here recognizes legal data: it counts only where somebody declares it.",
        "Asked for by name, claude will refuse it: nothing there is on-prem.",
    )
    # A test for each category and model, which says what becomes of it.
    expected = {(test["declare"], test["alias"]): test["expect"] for test in built.tests}
    assert expected["health", "auto"] == {"zone": "on_prem"}
    assert expected["health", "claude"] == {"denied": True}
    for (category, alias), expect in expected.items():
        facts = make_facts(policy, {"alias": alias, "declared": {"categories": [category]}})
        assert decide(policy, facts).allowed is (expect == {"zone": "on_prem"})


def test_code_goes_out_masked_and_what_is_left_is_said(
    cooked: Callable[..., tuple[Built, CompiledPolicy]], make_facts: MakeFacts
) -> None:
    built, policy = cooked("masked-for", what="code", to="claude", masked=["EMAIL_ADDRESS"])
    assert built.sentence == "Code may go to claude with e-mail addresses masked."
    assert built.needs == ()
    way, mask = built.tests
    assert (way["declare"], way["alias"]) == ("code", "claude")
    assert way["expect"] == {"deployment": "claude"}
    assert (mask["text"], mask["declare"]) == ("Write to ann@example.org", "code")
    assert mask["expect"] == {"deployment": "claude", "masked": 1}
    assert built.surprises == (
        "Names stay unmasked, so what holds them does not go to claude: mask them too?",
    )
    request = {"alias": "claude", "findings": {"SOURCE_CODE": 1, "EMAIL_ADDRESS": 2}}
    permit = decide(policy, make_facts(policy, request), masking_available=True)
    assert [(each.deployment, each.masked) for each in permit.candidates] == [("claude", 2)]
    # The surprise is true.
    named = {**request, "findings": {"SOURCE_CODE": 1, "EMAIL_ADDRESS": 2, "PERSON_NAME": 1}}
    assert not decide(policy, make_facts(policy, named), masking_available=True).allowed


def test_what_no_test_shows_is_said(
    world: Mapping[str, Any], make_policy: MakePolicy, situation: Situation
) -> None:
    answers = {"what": ["code"], "to": ["claude"], "masked": ["PERSON_NAME"]}
    built = RECIPES["masked-for"].build(answers, situation)
    assert [test["expect"] for test in built.tests] == [{"deployment": "claude"}]
    assert "No test shows that names are masked: nobody knows an example." in str(built.surprises)
    behind = {"aliases": {"auto": ["llama", "claude"]}}
    built = RECIPES["masked-for"].build(
        answers, Situation(make_policy({**world, **behind}), CLASSES, examples=EXAMPLES)
    )
    assert built.tests == ()
    assert "No model leads to claude first of all" in built.surprises[-1]


@pytest.mark.parametrize("prefers", [False, True], ids=["first", "reordered"])
def test_a_model_that_others_serve_as_well_shows_it_while_no_rule_reorders(
    world: Mapping[str, Any], make_policy: MakePolicy, prefers: bool
) -> None:
    rules = [{"id": "home", "then": {"prefer": ["llama"]}}] if prefers else []
    policy = make_policy(
        {**world, "aliases": {"auto": ["claude", "llama"]}, "project": {"rules": rules}}
    )
    built = RECIPES["masked-for"].build(
        {"what": ["code"], "to": ["claude"], "masked": ["EMAIL_ADDRESS"]},
        Situation(policy, CLASSES, examples=EXAMPLES),
    )
    assert len(built.tests) == (0 if prefers else 2)


def test_names_that_nobody_finds_are_a_surprise_of_their_own(situation: Situation) -> None:
    classes = {name: each for name, each in CLASSES.items() if name != "PERSON_NAME"}
    built = RECIPES["masked-for"].build(
        {"what": ["code"], "to": ["claude"], "masked": ["EMAIL_ADDRESS"]},
        Situation(situation.policy, classes),
    )
    assert [told for told in built.surprises if "Nothing here finds names of people" in told]


def test_a_clearance_that_is_missing_is_asked_for_and_not_given(situation: Situation) -> None:
    answers = {"what": ["health"], "to": ["claude"], "masked": ["EMAIL_ADDRESS"]}
    (need,) = RECIPES["masked-for"].build(answers, situation).needs
    assert need.startswith("claude must be cleared for restricted and health")


def test_only_regions(
    world: Mapping[str, Any], make_policy: MakePolicy, make_facts: MakeFacts
) -> None:
    places = {
        "llama": {"zone": "on_prem", "region": "eu"},
        "claude": {
            "zone": "cloud",
            "region": "us",
            "clearance": {"sensitivity": "restricted", "categories": ["code", "personal"]},
        },
        "quiet": {"zone": "on_prem"},
    }
    aliases = {"auto": ["claude", "quiet", "llama"]}
    before = make_policy({**world, "deployments": places, "aliases": aliases})
    built = RECIPES["only-regions"].build(
        {"regions": "eu", "what": "personal"}, Situation(before, CLASSES)
    )
    assert built.sentence == "Only eu regions for personal."
    assert built.surprises == (
        "Nobody said in which region quiet is, so it gets none of this: state its region.",
    )
    project = {"rules": list(built.rules)}
    policy = make_policy({**world, "deployments": places, "aliases": aliases, "project": project})
    facts = make_facts(policy, {"findings": {"EMAIL_ADDRESS": 1}})
    assert [each.deployment for each in decide(policy, facts).candidates] == ["llama"]
    (test,) = built.tests
    assert test["expect"] == {"deployment": "llama"}
    (never,) = built.never
    assert (never["label"], never["region"]) == ({"category": ["personal"]}, ["us"])
    (proof,) = prove(
        make_policy(
            {
                **world,
                "deployments": places,
                "aliases": aliases,
                "project": {**project, "never": [never]},
            }
        ),
        class_labels={"EMAIL_ADDRESS": Label(categories=frozenset({"personal"}))},
    )
    assert proof.proven


def test_money_that_is_used_up_sends_a_group_home(
    cooked: Callable[..., tuple[Built, CompiledPolicy]], make_facts: MakeFacts
) -> None:
    built, policy = cooked("then-on-prem", group="interns", amount=200)
    assert built.sentence == "Interns may use at most 200 per month, then on-prem."
    assert "A budget of 200 a month" in built.needs[0]
    assert built.budgets == {built.needs[0]: 200}
    expected = {test["alias"]: test["expect"] for test in built.tests}
    assert expected["auto"] == {"zone": "on_prem"}
    assert expected["claude"] == {"denied": True}
    assert {(*test["groups"], test["budget"]) for test in built.tests} == {  # type: ignore[misc]
        ("interns", "exhausted")
    }
    for budget, groups, deployments in (
        ("ok", ["interns"], ["llama", "claude"]),
        ("exhausted", ["interns"], ["llama"]),
        ("exhausted", [], ["llama", "claude"]),
    ):
        facts = make_facts(policy, {"budget": budget, "groups": groups})
        found = [each.deployment for each in decide(policy, facts).candidates]
        assert found == deployments


@pytest.mark.parametrize(
    ("recipe", "answers", "blank"),
    [
        ("stays-on-prem", {}, "what"),
        ("stays-on-prem", {"what": []}, "what"),
        ("stays-on-prem", {"what": ["helth"]}, "what"),
        ("stays-on-prem", {"what": [["health"]]}, "what"),
        ("stays-on-prem", {"what": ["health"], "who": "me"}, "who"),
        ("masked-for", {"what": "code", "to": "llama", "masked": "EMAIL_ADDRESS"}, "to"),
        ("only-regions", {"regions": "eu", "what": "code"}, "regions"),
        ("then-on-prem", {"group": "interns", "amount": 0}, "amount"),
        ("then-on-prem", {"group": "interns", "amount": True}, "amount"),
        ("then-on-prem", {"group": "nobody", "amount": 1}, "group"),
    ],
)
def test_a_wrong_answer_names_its_blank(
    situation: Situation, recipe: str, answers: dict[str, object], blank: str
) -> None:
    with pytest.raises(WrongAnswer) as wrong:
        RECIPES[recipe].build(answers, situation)
    assert wrong.value.blank == blank


def test_every_blank_of_a_sentence_is_declared() -> None:
    for recipe in RECIPES.values():
        assert all("{" + name + "}" in recipe.sentence for name in recipe.blanks)
        assert recipe.sentence.count("{") == len(recipe.blanks)
    assert {kind for recipe in RECIPES.values() for kind in recipe.blanks.values()} == set(
        BlankKind
    )


def test_what_nobody_may_receive_names_the_forms_that_would_change_it(
    world: Mapping[str, Any], make_policy: MakePolicy
) -> None:
    low = {"sensitivity": "internal", "categories": ["code"]}
    places = {
        "llama": {"zone": "on_prem", "region": "eu", "clearance": low},
        "claude": {"zone": "cloud", "region": "us"},
    }
    policy = make_policy({**world, "deployments": places, "aliases": {"auto": list(places)}})
    situation = Situation(policy, CLASSES)
    stays = RECIPES["stays-on-prem"].build({"what": ["health", "code"]}, situation)
    (need,) = stays.needs
    assert need.startswith("No deployment on-prem is cleared for restricted and health, so all of")
    assert stays.forms == {need: ("llama",)}
    regions = RECIPES["only-regions"].build({"regions": ["us"], "what": ["health"]}, situation)
    (need,) = regions.needs
    assert need.startswith("No deployment in us is cleared for restricted and health")
    assert regions.forms[need] == ("claude",)
    answers = {"what": ["health"], "to": ["claude"], "masked": ["EMAIL_ADDRESS"]}
    masked = RECIPES["masked-for"].build(answers, situation)
    assert masked.forms == {masked.needs[0]: ("claude",)}


def test_where_no_deployment_could_be_cleared_another_one_is_needed(
    world: Mapping[str, Any], make_policy: MakePolicy
) -> None:
    places = {"claude": {"zone": "cloud"}}
    policy = make_policy({**world, "deployments": places, "aliases": {"auto": ["claude"]}})
    built = RECIPES["stays-on-prem"].build({"what": ["health"]}, Situation(policy, CLASSES))
    assert built.forms == {built.needs[0]: ()}
