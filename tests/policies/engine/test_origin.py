"""Where a rule came from: kept with it, and without a part in any decision."""

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy
from policies.engine.document import DocumentError, KnownNames, parse_document

KNOWN = KnownNames(deployments=["llama"], aliases=["auto"])
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(
        resources.files("policies.engine").joinpath("schema.json").read_text(encoding="utf-8")
    )
)
ORIGIN = {"id": "stays-on-prem", "answers": {"what": ["health"], "days": 30, "to": "cloud"}}


def document(recipe: Any, **on_never: Any) -> dict[str, Any]:
    return {
        "kind": "project-policy",
        "project": "research",
        "rules": [{"id": "one", "then": {"deny": True}, "recipe": recipe}],
        "never": [{"label": {"category": "health"}, "zone": "cloud", "recipe": recipe}],
        "tests": [{"text": "x", "alias": "auto", "expect": {"denied": True}, "recipe": recipe}],
    }


def test_a_recipe_and_its_answers_are_read_wherever_they_may_stand() -> None:
    data = document(ORIGIN)
    assert VALIDATOR.is_valid(data)
    read = parse_document(data, KNOWN)
    origin = r.Origin("stays-on-prem", (("days", 30), ("to", "cloud"), ("what", ("health",))))
    assert [rule.recipe for rule in read.rules] == [origin]
    assert [statement.recipe for statement in read.never] == [origin]
    assert [test.recipe for test in read.tests] == [origin]


@pytest.mark.parametrize(
    ("recipe", "pointer"),
    [
        ("stays", "/rules/0/recipe"),
        ({}, "/rules/0/recipe"),
        ({"id": "Stays On Prem"}, "/rules/0/recipe/id"),
        ({"id": "stays", "by": "me"}, "/rules/0/recipe/by"),
        ({"id": "stays", "answers": ["health"]}, "/rules/0/recipe/answers"),
        ({"id": "stays", "answers": {"what": {}}}, "/rules/0/recipe/answers/what"),
        ({"id": "stays", "answers": {"what": []}}, "/rules/0/recipe/answers/what"),
        ({"id": "stays", "answers": {"what": True}}, "/rules/0/recipe/answers/what"),
        ({"id": "stays", "answers": {"The what": "x"}}, "/rules/0/recipe/answers/The what"),
    ],
)
def test_an_origin_of_another_form_is_refused_and_the_schema_agrees(
    recipe: Any, pointer: str
) -> None:
    data = document(recipe)
    with pytest.raises(DocumentError) as caught:
        parse_document(data, KNOWN)
    assert pointer in {problem.pointer for problem in caught.value.problems}
    assert not VALIDATOR.is_valid(data)


def test_an_origin_says_nowhere_so_a_never_still_needs_a_place() -> None:
    data = {**document(ORIGIN), "never": [{"label": {"category": "health"}, "recipe": ORIGIN}]}
    with pytest.raises(DocumentError, match="/never/0"):
        parse_document(data, KNOWN)
    assert not VALIDATOR.is_valid(data)


def test_an_origin_changes_neither_the_revision_nor_what_a_rule_equals(
    world: Any, make_policy: Callable[[Any], CompiledPolicy]
) -> None:
    rule = {"id": "one", "then": {"deny": True}}
    plain = make_policy({**world, "project": {"rules": [rule]}})
    built = make_policy({**world, "project": {"rules": [{**rule, "recipe": ORIGIN}]}})
    assert built.revision == plain.revision
    assert built.rules[0].rule == plain.rules[0].rule
    assert built.rules[0].rule.recipe is not None
