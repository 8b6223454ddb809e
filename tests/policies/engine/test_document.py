"""Policy documents: what is read, and every problem with its place and what to do."""

import json
from dataclasses import replace
from datetime import time
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from policies.engine import reading
from policies.engine import rules as r
from policies.engine.document import DocumentError, KnownNames, parse_document
from policies.engine.facts import Zone
from policies.engine.labels import Label, Sensitivity
from policies.engine.permit import MaskMode

KNOWN = KnownNames(
    deployments=["llama", "claude"],
    aliases=["auto", "claude"],
    groups=["doctors"],
    data_classes=["EMAIL_ADDRESS", "IBAN"],
)
SCHEMA: Any = json.loads(
    resources.files("policies.engine").joinpath("schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

DESIGN = """
kind: project-policy
project: research
floor: internal
rules:
  - {id: health-stays, when: {category: health}, then: {allow_only: {zone: on_prem}}}
  - id: code-masked
    when: {category: code}
    then: {mask: [EMAIL_ADDRESS], for: {deployment: claude}}
  - id: code-to-claude
    when: {category: code, sensitivity: {at_most: confidential}}
    then: {prefer: [claude]}
never:
  - {label: {at_least: restricted}, zone: [cloud, private_cloud]}
tests:
  - text: "def f(): pass"
    alias: auto
    expect: {deployment: claude, rules: [code-masked, code-to-claude]}
"""


def project(**fields: Any) -> dict[str, Any]:
    return {"kind": "project-policy", "project": "research", **fields}


def rule(when: Any = None, then: Any = None) -> dict[str, Any]:
    one: dict[str, Any] = {"id": "one", "then": {"deny": True} if then is None else then}
    return project(rules=[one if when is None else {**one, "when": when}])


def condition(when: Any) -> r.Condition:
    return parse_document(rule(when=when), KNOWN).rules[0].when


def effect(then: Any) -> r.Effect:
    return parse_document(rule(then=then), KNOWN).rules[0].then


def problems(data: Any, known: KnownNames = KNOWN) -> dict[str, str]:
    with pytest.raises(DocumentError) as caught:
        parse_document(data, known)
    return {item.pointer: f"{item.sentence} {item.advice}" for item in caught.value.problems}


def test_the_document_of_the_design_is_read() -> None:
    document = parse_document(yaml.safe_load(DESIGN), KNOWN)
    assert document.kind is r.Kind.PROJECT
    assert (document.project, document.floor) == ("research", Label(Sensitivity.INTERNAL))
    health, masked, preferred = document.rules
    assert health.when == r.CategoryIs(any_of=frozenset({"health"}))
    assert health.then == r.AllowOnly(r.Selector(zones=frozenset({Zone.ON_PREM})))
    assert masked.then == r.Mask(
        frozenset({"EMAIL_ADDRESS"}), r.Selector(deployments=frozenset({"claude"}))
    )
    assert preferred.when == r.AllOf(
        (
            r.CategoryIs(any_of=frozenset({"code"})),
            r.SensitivityIs(at_most=Sensitivity.CONFIDENTIAL),
        )
    )
    assert preferred.then == r.Prefer(("claude",))
    (never,) = document.never
    assert never.sensitivity == r.SensitivityIs(at_least=Sensitivity.RESTRICTED)
    assert never.selector.zones == frozenset({Zone.CLOUD, Zone.PRIVATE_CLOUD})
    (test,) = document.tests
    assert test.expect == r.Expectation(
        deployment="claude", rules=("code-masked", "code-to-claude")
    )


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, r.ALWAYS),
        ({"endpoint": "embeddings"}, r.EndpointIs(frozenset({"embeddings"}))),
        ({"alias": ["auto", "claude"]}, r.AliasIs(frozenset({"auto", "claude"}))),
        (
            {"sensitivity": "internal"},
            r.SensitivityIs(Sensitivity.INTERNAL, Sensitivity.INTERNAL),
        ),
        (
            {"sensitivity": {"is": "public"}},
            r.SensitivityIs(Sensitivity.PUBLIC, Sensitivity.PUBLIC),
        ),
        (
            {"sensitivity": {"at_least": "internal", "at_most": "confidential"}},
            r.SensitivityIs(Sensitivity.INTERNAL, Sensitivity.CONFIDENTIAL),
        ),
        ({"category": ["code", "legal"]}, r.CategoryIs(any_of=frozenset({"code", "legal"}))),
        (
            {"category": {"all_of": ["code", "legal"]}},
            r.CategoryIs(all_of=frozenset({"code", "legal"})),
        ),
        ({"data_class": "IBAN"}, r.DataClassIs(any_of=frozenset({"IBAN"}))),
        (
            {"data_class": {"any_of": ["IBAN"], "count": {"at_least": 3}}},
            r.DataClassIs(any_of=frozenset({"IBAN"}), at_least=3),
        ),
        ({"group": "doctors"}, r.GroupIs(frozenset({"doctors"}))),
        ({"key": "sl-1"}, r.KeyIs(frozenset({"sl-1"}))),
        ({"size": {"at_least": 10, "at_most": 20}}, r.SizeIs(10, 20)),
        ({"modality": "image"}, r.ModalityIs(frozenset({"image"}))),
        ({"tools": True}, r.ToolsAre()),
        ({"tools": "mcp"}, r.ToolsAre(frozenset({"mcp"}))),
        ({"budget": "exhausted"}, r.BudgetIs(frozenset({"exhausted"}))),
        (
            {"time": {"days": ["sat", "sunday"], "timezone": "Europe/Berlin"}},
            r.TimeIs(frozenset({5, 6}), timezone="Europe/Berlin"),
        ),
        (
            {"time": {"from": "08:30", "to": "17:00", "timezone": "UTC"}},
            r.TimeIs(start=time(8, 30), end=time(17)),
        ),
        (
            {"any": [{"group": "doctors"}, {"budget": "ok", "tools": False}]},
            r.AnyOf(
                (
                    r.GroupIs(frozenset({"doctors"})),
                    r.AllOf((r.BudgetIs(frozenset({"ok"})), r.ToolsAre(present=False))),
                )
            ),
        ),
        ({"not": {"group": "doctors"}}, r.Not(r.GroupIs(frozenset({"doctors"})))),
    ],
)
def test_each_condition_is_read_as_written_and_the_schema_agrees(
    when: Any, expected: r.Condition
) -> None:
    assert condition(when) == expected
    VALIDATOR.validate(rule(when=when))


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ({"deny": True}, r.Deny()),
        ({"deny": "Ask first."}, r.Deny("Ask first.")),
        ({"allow_only": {"region": "EU"}}, r.AllowOnly(r.Selector(regions=frozenset({"eu"})))),
        (
            {"allow_only": {"retention_days": {"at_most": 0}, "trains_on_data": False}},
            r.AllowOnly(r.Selector(retention_days_at_most=0, trains_on_data=False)),
        ),
        ({"require_approval": True}, r.RequireApproval()),
        (
            {"require_approval": {"vendor": "Acme"}},
            r.RequireApproval(r.Selector(vendors=frozenset({"acme"}))),
        ),
        ({"mask": "personal"}, r.Mask(frozenset({"personal"}))),
        (
            {"mask": ["IBAN"], "mode": "partial", "for": {"zone": "cloud"}},
            r.Mask(
                frozenset({"IBAN"}), r.Selector(zones=frozenset({Zone.CLOUD})), MaskMode.PARTIAL
            ),
        ),
        ({"prefer": "claude"}, r.Prefer(("claude",))),
        ({"prefer": ["claude", "llama"]}, r.Prefer(("claude", "llama"))),
        (
            {"prefer": {"zone": ["on_prem"]}},
            r.Prefer(selector=r.Selector(zones=frozenset({Zone.ON_PREM}))),
        ),
    ],
)
def test_each_effect_is_read_as_written_and_the_schema_agrees(
    then: Any, expected: r.Effect
) -> None:
    assert effect(then) == expected
    VALIDATOR.validate(rule(then=then))


WRONG: list[tuple[Any, str, str]] = [
    ([], "", "This is a list."),
    (None, "", "This is empty."),
    ({"kind": "project-policy"}, "", "The field 'project' is missing."),
    ({"project": "x"}, "", "The field 'kind' is missing."),
    ({"kind": "projct-policy", "project": "x"}, "/kind", "Did you mean 'project-policy'?"),
    ({"kind": "organisation-policy", "project": "x"}, "/project", "has no project"),
    ({"kind": "organisation-policy", "relax": ["images"]}, "/relax", "Only a project"),
    (project(project="two words"), "/project", "is not a project"),
    (project(florr="internal"), "/florr", "Did you mean 'floor'?"),
    (project(**{"a/b~c": 1}), "/a~1b~0c", "There is no field"),
    (project(floor="hot"), "/floor", "Use one of confidential, internal, public, restricted."),
    (project(floor=None), "/floor", "This is empty."),
    (project(floor={"categories": ["code"]}), "/floor", "'sensitivity' is missing"),
    (project(categories={"Bad Name": "internal"}), "/categories/Bad Name", "is not a category"),
    (project(categories=["code"]), "/categories", "This is a list."),
    (project(rules={}), "/rules", "Write a list here."),
    (project(rules=[3]), "/rules/0", "This is a number."),
    (project(rules=[{"id": "a"}]), "/rules/0", "The field 'then' is missing."),
    (project(rules=[{"then": {"deny": True}}]), "/rules/0", "The field 'id' is missing."),
    (project(rules=[{"id": 7, "then": {"deny": True}}]), "/rules/0/id", "This is a number."),
    (project(rules=[{"id": "a", "then": {"deny": True}, "shadow": "no"}]), "/rules/0/shadow", ""),
    (rule(when=[]), "/rules/0/when", "This is a list."),
    (rule(when={"categry": "code"}), "/rules/0/when/categry", "Did you mean 'category'?"),
    (rule(when={"category": []}), "/rules/0/when/category", "The list is empty."),
    (rule(when={"category": {}}), "/rules/0/when/category", "No category is named."),
    (rule(when={"sensitivity": {}}), "/rules/0/when/sensitivity", "The range is empty."),
    (rule(when={"sensitivity": 3}), "/rules/0/when/sensitivity", "This is a number."),
    (rule(when={"size": {"at_least": -1}}), "/rules/0/when/size/at_least", "too small"),
    (rule(when={"size": {"at_least": "1k"}}), "/rules/0/when/size/at_least", "whole number"),
    (rule(when={"size": {"at_least": True}}), "/rules/0/when/size/at_least", "whole number"),
    (rule(when={"size": {}}), "/rules/0/when/size", "The range is empty."),
    (rule(when={"endpoint": "chat"}), "/rules/0/when/endpoint", "There is no endpoint 'chat'."),
    (rule(when={"modality": "smell"}), "/rules/0/when/modality", "There is no modality"),
    (rule(when={"budget": "empty"}), "/rules/0/when/budget", "There is no budget state"),
    (rule(when={"any": []}), "/rules/0/when/any", "never holds"),
    (rule(when={"not": []}), "/rules/0/when/not", "This is a list."),
    (rule(when={"data_class": {"count": {"at_least": 2}}}), "/rules/0/when/data_class", "No data"),
    (rule(when={"time": {"days": "mon"}}), "/rules/0/when/time", "'timezone' is missing"),
    (rule(when={"time": {"timezone": "UTC"}}), "/rules/0/when/time", "Any time matches."),
    (rule(when={"time": {"from": "8:00", "timezone": "UTC"}}), "/rules/0/when/time/from", "HH:MM"),
    (rule(when={"time": {"from": 1440, "timezone": "UTC"}}), "/rules/0/when/time/from", "quotes"),
    (rule(when={"time": {"days": "xmas", "timezone": "UTC"}}), "/rules/0/when/time/days", "no day"),
    (rule(then={}), "/rules/0/then", "A rule has one effect; here are 0."),
    (rule(then="deny"), "/rules/0/then", "This is text."),
    (rule(then={"deny": True, "prefer": "llama"}), "/rules/0/then", "here are 2."),
    (rule(then={"deny": False}), "/rules/0/then/deny", "This denies nothing."),
    (rule(then={"allow_only": {}}), "/rules/0/then/allow_only", "The selector is empty."),
    (rule(then={"allow_only": {"zone": "moon"}}), "/rules/0/then/allow_only/zone", "no zone"),
    (
        rule(then={"allow_only": {"trains_on_data": "no"}}),
        "/rules/0/then/allow_only/trains_on_data",
        "",
    ),
    (rule(then={"deny": True, "mode": "hash"}), "/rules/0/then/mode", "belongs to `mask`"),
    (rule(then={"mask": []}), "/rules/0/then/mask", "The list is empty."),
    (rule(then={"mask": ["IBAN"], "mode": "blur"}), "/rules/0/then/mode", "There is no mode"),
    (project(never=[{"label": {"at_least": "internal"}}]), "/never/0", "Add a zone."),
    (project(never=[{"zone": "cloud"}]), "/never/0", "The field 'label' is missing."),
    (project(never=[{"label": {}, "zone": "cloud"}]), "/never/0/label", "The label is empty."),
    (project(tests=[{"text": "x", "alias": "auto"}]), "/tests/0", "'expect' is missing"),
    (
        project(tests=[{"text": 1, "alias": "auto", "expect": {"denied": True}}]),
        "/tests/0/text",
        "",
    ),
    (project(tests=[{"text": "x", "alias": "auto", "expect": {}}]), "/tests/0/expect", "nothing"),
    (project(relax=["failed_scan"]), "/relax/0", "There is no relaxation"),
    (project(reach_out="mcp"), "/reach_out", "Write a list here."),
    (project(reach_out=["mpc"]), "/reach_out/0", "Did you mean 'mcp'?"),
]


@pytest.mark.parametrize(("data", "pointer", "says"), WRONG)
def test_what_is_wrong_in_form_is_named_where_it_stands_and_the_schema_agrees(
    data: Any, pointer: str, says: str
) -> None:
    found = problems(data)
    assert pointer in found
    assert says in found[pointer]
    assert not VALIDATOR.is_valid(data)


@pytest.mark.parametrize(
    ("data", "pointer", "says"),
    [
        (rule(then={"prefer": ["cluade"]}), "/rules/0/then/prefer/0", "Did you mean 'claude'?"),
        (rule(when={"alias": "atuo"}), "/rules/0/when/alias", "Did you mean 'auto'?"),
        (rule(when={"group": "doctor"}), "/rules/0/when/group", "Did you mean 'doctors'?"),
        (rule(when={"category": "helth"}), "/rules/0/when/category", "Did you mean 'health'?"),
        (rule(when={"data_class": "EMAIL"}), "/rules/0/when/data_class", "no data class 'EMAIL'"),
        (rule(then={"mask": ["IBAN", "EMAIL_ADRESS"]}), "/rules/0/then/mask/1", "'EMAIL_ADDRESS'"),
        (
            rule(when={"sensitivity": {"at_least": "restricted", "at_most": "internal"}}),
            "/rules/0/when/sensitivity/at_most",
            "No sensitivity lies in this range.",
        ),
        (
            rule(when={"sensitivity": {"is": "internal", "at_most": "internal"}}),
            "/rules/0/when/sensitivity/is",
            "says it all",
        ),
        (rule(when={"size": {"at_least": 2, "at_most": 1}}), "/rules/0/when/size", "No number"),
        (
            rule(when={"time": {"from": "08:00", "to": "08:00", "timezone": "UTC"}}),
            "/rules/0/when/time/to",
            "The window is empty.",
        ),
        (
            rule(when={"time": {"days": "mon", "timezone": "Mars/Base"}}),
            "/rules/0/when/time/timezone",
            "There is no time zone",
        ),
        (project(categories={"health": "internal"}), "/categories/health", "may only raise"),
        (
            project(rules=[{"id": "a", "then": {"deny": True}}] * 2),
            "/rules/1/id",
            "is taken by the rule at /rules/0",
        ),
        (
            project(
                tests=[{"text": "x", "alias": "auto", "expect": {"denied": True, "zone": "cloud"}}]
            ),
            "/tests/0/expect/zone",
            "goes nowhere",
        ),
    ],
)
def test_what_only_a_reader_with_the_names_can_see_is_named_too(
    data: Any, pointer: str, says: str
) -> None:
    found = problems(data)
    assert set(found) == {pointer}
    assert says in found[pointer]


def test_all_problems_come_at_once() -> None:
    found = problems(
        project(
            floor="hot",
            rules=[
                {"id": "a", "wen": {}, "then": {"prefer": "x"}},
                {"id": "a", "then": {"mask": ["X"]}},
            ],
            never=[{}],
        )
    )
    assert {"/floor", "/rules/0/wen", "/rules/0/then/prefer", "/rules/1/id", "/never/0"} <= set(
        found
    )


def test_an_unquoted_time_as_yaml_1_1_reads_it_is_that_time() -> None:
    when = yaml.safe_load("time: {from: 07:30, to: 18:00, timezone: UTC}")
    assert condition(when) == r.TimeIs(start=time(7, 30), end=time(18))


def test_a_category_of_ones_own_may_be_used_in_the_same_document() -> None:
    data = project(
        categories={"merger": "confidential"},
        rules=[{"id": "a", "when": {"category": "merger"}, "then": {"mask": ["merger"]}}],
    )
    document = parse_document(data, KNOWN)
    assert document.categories == (("merger", Sensitivity.CONFIDENTIAL),)


def test_a_document_may_not_lower_a_minimum_that_was_handed_in() -> None:
    known = replace(KNOWN, minimums={"code": Sensitivity.RESTRICTED})
    assert "/categories/code" in problems(project(categories={"code": "internal"}), known)


def test_the_schema_knows_the_words_that_the_reader_knows() -> None:
    VALIDATOR.check_schema(SCHEMA)
    words = {
        "sensitivity": reading.SENSITIVITIES,
        "zone": reading.ZONES,
        "endpoint": reading.ENDPOINTS,
        "modality": reading.MODALITIES,
        "budget": reading.BUDGET_STATES,
        "act": reading.REACH_OUT,
    }
    for name, known in words.items():
        assert SCHEMA["$defs"][name]["enum"] == list(known), name
    fields = SCHEMA["$defs"]["conditions"]["properties"].keys()
    assert fields == {*reading._READERS, "any", "not"}
    assert SCHEMA["$defs"]["selector"]["properties"].keys() == set(reading.SELECTOR)


def test_the_schema_accepts_the_document_of_the_design() -> None:
    VALIDATOR.validate(yaml.safe_load(DESIGN))
