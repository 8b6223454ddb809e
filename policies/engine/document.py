"""Reading a policy document from plain data (dict, list, str, …), as YAML or JSON give it.

`schema.json` beside this file is the same format for editors and other programs; it cannot know
names, so this reader is the judge. A document is read whole or not at all.
"""

from collections.abc import Collection
from dataclasses import replace

from policies.engine import rules as r
from policies.engine.effects import read_effect
from policies.engine.facts import Zone
from policies.engine.labels import Label, Sensitivity, Taxonomy
from policies.engine.problems import DocumentError, Place, Problem
from policies.engine.reading import (
    BUDGET_STATES,
    RELAXABLE,
    SELECTOR,
    ZONES,
    KnownNames,
    read_conditions,
    read_origin,
    read_sensitivity,
    read_sensitivity_range,
    selector_of,
)
from policies.engine.rules import Kind, PolicyDocument

__all__ = [
    "DocumentError",
    "Kind",
    "KnownNames",
    "PolicyDocument",
    "Problem",
    "parse_document",
]

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
CATEGORY = r"[a-z][a-z0-9_]{0,63}"
SIZE_LIMIT = 100_000  # values in a document; 1,000 rules have about 10,000
NESTING_LIMIT = 40
FIELDS = (
    "kind",
    "project",
    "floor",
    "categories",
    "rules",
    "never",
    "tests",
    "relax",
    "reach_out",
)


def parse_document(data: object, known: KnownNames) -> PolicyDocument:
    """Read a document. Raises DocumentError with every problem in it. No I/O but time zones."""
    root = Place(data)
    _check_size(root)
    fields = root.fields(FIELDS, required=("kind",))
    kind = _kind(root, fields)
    categories = _categories(fields.get("categories"), known)
    known = _with_categories(known, categories)
    rules = _rules(fields.get("rules"), known)
    document = PolicyDocument(
        kind=kind or Kind.PROJECT,
        project=_project(root, fields, kind),
        floor=_floor(fields["floor"], known) if "floor" in fields else None,
        categories=tuple(sorted(categories.items())),
        rules=rules,
        never=tuple(_never(place, known) for place in _list(fields.get("never"))),
        tests=tuple(_test(place, known) for place in _list(fields.get("tests"))),
        relax=_relax(fields.get("relax"), kind),
        reach_out=_each(fields.get("reach_out"), known.reach_out, "act"),
    )
    if root.problems:
        raise DocumentError(root.problems)
    return document


def _check_size(root: Place) -> None:
    """Refuse what is too large to be a policy before anything walks through it.

    Counts what a reader would visit: YAML's references can make a short text enormous.
    """
    waiting: list[tuple[object, int]] = [(root.value, 0)]
    visited = 0
    while waiting:
        value, depth = waiting.pop()
        visited += 1
        if visited > SIZE_LIMIT or depth > NESTING_LIMIT:
            raise DocumentError(
                [Problem("", "The document is too large or nested too deeply.", "Split it.")]
            )
        if isinstance(value, dict):
            waiting.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list | tuple):
            waiting.extend((item, depth + 1) for item in value)


def _list(place: Place | None) -> list[Place]:
    return [] if place is None else place.items()


def _kind(root: Place, fields: dict[str, Place]) -> Kind | None:
    if "kind" not in fields:
        return None
    word = fields["kind"].word(tuple(member.value for member in Kind), "kind")
    return None if word is None else Kind(word)


def _project(root: Place, fields: dict[str, Place], kind: Kind | None) -> str:
    place = fields.get("project")
    if kind is Kind.ORGANISATION:
        if place is not None:
            place.refuse("The organisation's policy has no project.", "Remove this field.")
        return ""
    if place is None:
        if kind is Kind.PROJECT:
            root.refuse("The field 'project' is missing.", "Say whose policy this is.")
        return ""
    return place.text(pattern=NAME, what="a project") or ""


def _floor(place: Place, known: KnownNames) -> Label:
    if isinstance(place.value, str):
        return Label(read_sensitivity(place) or Sensitivity.PUBLIC)
    fields = place.fields(("sensitivity", "categories"), required=("sensitivity",))
    sensitivity = read_sensitivity(fields["sensitivity"]) if "sensitivity" in fields else None
    categories: tuple[str, ...] = ()
    if "categories" in fields:
        categories = fields["categories"].words(known.categories, "category")
    return Label(sensitivity or Sensitivity.PUBLIC, frozenset(categories))


def _categories(place: Place | None, known: KnownNames) -> dict[str, Sensitivity]:
    if place is None:
        return {}
    if not isinstance(place.value, dict):
        place.fields(())
        return {}
    read: dict[str, Sensitivity] = {}
    for name, value in place.value.items():
        item = place.at(str(name), value)
        if Place(name, item.pointer, item.problems).text(pattern=CATEGORY, what="a category"):
            minimum = read_sensitivity(item)
            if minimum is not None:
                read[name] = minimum
                _check_raises(item, name, minimum, known)
    return read


def _check_raises(place: Place, name: str, minimum: Sensitivity, known: KnownNames) -> None:
    try:
        Taxonomy(known.minimums).raised({name: minimum})
    except ValueError as error:
        place.refuse(f"{error}.", "A policy may only raise a minimum or add a category.")


def _with_categories(known: KnownNames, categories: dict[str, Sensitivity]) -> KnownNames:
    return replace(known, categories=frozenset(known.categories) | categories.keys())


def _rules(place: Place | None, known: KnownNames) -> tuple[r.Rule, ...]:
    rules: list[r.Rule] = []
    seen: dict[str, str] = {}
    for item in _list(place):
        fields = item.fields(("id", "when", "then", "shadow", "recipe"), required=("id", "then"))
        rule_id = fields["id"].text(pattern=NAME, what="an id") if "id" in fields else None
        if rule_id is not None and rule_id in seen:
            fields["id"].refuse(
                f"The id {rule_id!r} is taken by the rule at {seen[rule_id]}.",
                "Give each rule an id of its own.",
            )
        elif rule_id is not None:
            seen[rule_id] = item.pointer
        when = read_conditions(fields["when"], known) if "when" in fields else r.ALWAYS
        then = read_effect(fields["then"], known) if "then" in fields else None
        shadow = fields["shadow"].boolean() if "shadow" in fields else False
        if rule_id is not None and then is not None:
            rules.append(r.Rule(rule_id, then, when, bool(shadow), _origin(fields)))
    return tuple(rules)


def _origin(fields: dict[str, Place]) -> r.Origin | None:
    return read_origin(fields["recipe"]) if "recipe" in fields else None


def _never(place: Place, known: KnownNames) -> r.Never:
    fields = place.fields(("label", *SELECTOR, "recipe"), required=("label",))
    if fields and not fields.keys() & set(SELECTOR):
        place.refuse("Nothing says where these bytes may never go.", "Add a zone.")
    bounds: dict[str, Place] = {}
    categories: tuple[str, ...] = ()
    if "label" in fields:
        label = fields["label"]
        bounds = label.fields(("at_least", "at_most", "is", "category"))
        if label.value == {}:
            label.refuse("The label is empty.", "Say at_least, at_most, is or category.")
        if "category" in bounds:
            categories = bounds.pop("category").words(known.categories, "category")
    return r.Never(
        sensitivity=read_sensitivity_range(bounds),
        categories=frozenset(categories),
        selector=selector_of(fields, known),
        recipe=_origin(fields),
    )


def _test(place: Place, known: KnownNames) -> r.PolicyTest:
    fields = place.fields(
        ("text", "alias", "endpoint", "declare", "groups", "budget", "expect", "recipe"),
        required=("text", "alias", "expect"),
    )
    text = fields["text"].value if "text" in fields else ""
    if not isinstance(text, str):
        fields["text"].text()
    return r.PolicyTest(
        text=text if isinstance(text, str) else "",
        alias=_word(fields, "alias", known.aliases) or "",
        expect=_expectation(fields["expect"], known) if "expect" in fields else r.Expectation(),
        endpoint=_word(fields, "endpoint", known.endpoints) or "chat.completions",
        declare=(fields["declare"].text() or "") if "declare" in fields else "",
        groups=frozenset(fields["groups"].words(known.groups, "group"))
        if "groups" in fields
        else frozenset(),
        budget=_word(fields, "budget", BUDGET_STATES) or "ok",
        recipe=_origin(fields),
    )


def _word(fields: dict[str, Place], name: str, known: Collection[str]) -> str | None:
    return fields[name].word(known, name) if name in fields else None


def _expectation(place: Place, known: KnownNames) -> r.Expectation:
    fields = place.fields(("deployment", "denied", "zone", "masked", "rules"))
    if place.value == {}:
        place.refuse("The test expects nothing.", "Say deployment, denied, zone, masked or rules.")
    denied = fields["denied"].boolean() if "denied" in fields else None
    for name in ("deployment", "zone", "masked"):
        if denied and name in fields:
            fields[name].refuse("A denied request goes nowhere.", f"Remove {name} or denied.")
    zone = _word(fields, "zone", ZONES)
    rules: tuple[str, ...] | None = None
    if "rules" in fields:
        read = [
            item.text(pattern=rf"(organisation:|project:)?{NAME}", what="a rule's id")
            for item in fields["rules"].items()
        ]
        rules = tuple(rule for rule in read if rule is not None)
    return r.Expectation(
        denied=denied,
        deployment=_word(fields, "deployment", known.deployments),
        zone=None if zone is None else Zone(zone),
        masked=fields["masked"].integer() if "masked" in fields else None,
        rules=rules,
    )


def _relax(place: Place | None, kind: Kind | None) -> frozenset[str]:
    if place is None:
        return frozenset()
    if kind is Kind.ORGANISATION:
        place.refuse("Only a project may relax what counts as opaque.", "Remove this field.")
    return _each(place, RELAXABLE, "relaxation")


def _each(place: Place | None, known: Collection[str], what: str) -> frozenset[str]:
    """The words of a list that may be empty."""
    read = [item.word(known, what) for item in _list(place)]
    return frozenset(word for word in read if word is not None)
