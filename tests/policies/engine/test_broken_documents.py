"""Every part of a policy document broken in turn: it is read, or the problem is said."""

from collections.abc import Iterator
from typing import Any

from policies.engine import rules as r
from policies.engine.document import DocumentError, parse_document
from policies.engine.facts import Zone
from policies.engine.permit import MaskMode
from tests.policies.engine.test_document import KNOWN, VALIDATOR, problems, project, rule

# One of everything, for the test that breaks each part of it.
RICH: dict[str, Any] = project(
    floor={"sensitivity": "internal", "categories": ["code"]},
    categories={"merger": "confidential"},
    rules=[
        {
            "id": "conditions",
            "shadow": True,
            "when": {
                "endpoint": ["embeddings"],
                "alias": "auto",
                "sensitivity": {"at_least": "internal"},
                "category": {"any_of": ["code"], "all_of": "legal"},
                "data_class": {"any_of": ["IBAN"], "count": {"at_least": 2}},
                "group": "doctors",
                "key": ["sl-1"],
                "size": {"at_most": 10},
                "modality": "text",
                "tools": ["mcp"],
                "time": {"days": ["mon"], "from": "08:00", "to": "09:00", "timezone": "UTC"},
                "budget": "ok",
                "any": [{"not": {"group": "doctors"}}],
            },
            "then": {"mask": ["IBAN"], "mode": "hash", "for": {"zone": "cloud", "region": "eu"}},
        },
        {"id": "allow", "then": {"allow_only": {"retention_days": {"at_most": 3}}}},
        {"id": "ask", "then": {"require_approval": {"trains_on_data": True}}},
        {"id": "prefer", "then": {"prefer": ["claude"]}},
        {"id": "deny", "then": {"deny": "No."}},
    ],
    never=[{"label": {"at_least": "restricted", "category": "health"}, "zone": ["cloud"]}],
    tests=[
        {
            "text": "x",
            "alias": "auto",
            "endpoint": "completions",
            "declare": "health",
            "groups": ["doctors"],
            "expect": {"zone": "cloud", "masked": 1, "rules": ["project:deny"]},
        }
    ],
    relax=["images"],
    reach_out=["mcp"],
)
JUNK: list[Any] = [None, True, 0, -1, 1.5, "", "x", "internal", [], [None], ["x"], {}, {"x": 1}]


def broken(value: Any) -> Iterator[Any]:
    """The value with one part of it replaced, taken away or added, one after another."""
    yield from JUNK
    if isinstance(value, dict):
        yield {**value, "x": 1}
        yield {**value, 7: 1}
        for key, item in value.items():
            yield {name: other for name, other in value.items() if name != key}
            for other in broken(item):
                yield {**value, key: other}
    if isinstance(value, list):
        for place, item in enumerate(value):
            for other in broken(item):
                yield [*value[:place], other, *value[place + 1 :]]


def test_no_broken_document_does_anything_but_read_or_say_what_is_wrong() -> None:
    assert parse_document(RICH, KNOWN).rules[0].then == r.Mask(
        frozenset({"IBAN"}),
        r.Selector(zones=frozenset({Zone.CLOUD}), regions=frozenset({"eu"})),
        MaskMode.HASH,
    )
    VALIDATOR.validate(RICH)
    read = refused = 0
    for data in broken(RICH):
        try:
            parse_document(data, KNOWN)
        except DocumentError as error:
            assert error.problems
            refused += 1
        else:
            read += 1
            if read % 4 == 0:  # validating takes longer than reading
                VALIDATOR.validate(data)
    assert refused > 800
    assert read > 50


def test_deep_wide_and_circular_documents_are_refused_at_once() -> None:
    deep: dict[str, Any] = {}
    for _ in range(20):
        deep = {"not": deep}
    assert "too deeply" in " ".join(problems(rule(when=deep)).values())
    circular: dict[str, Any] = {}
    circular["not"] = circular
    assert "too large" in problems(rule(when=circular))[""]
    wide: dict[str, Any] = {"group": "doctors"}
    for _ in range(7):
        wide = {"any": [wide] * 20}
    assert "too large" in problems(rule(when=wide))[""]
