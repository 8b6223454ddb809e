"""A rule through its form and back says the same; what the form does not show is kept."""

from typing import Any

import pytest

from frontend.policies.emphasis import emphasised
from frontend.policies.rule_fields import fields_of, rule_of, statement_fields
from frontend.policies.rule_form import RuleForm
from policies.engine.document import KnownNames

KNOWN = KnownNames(
    deployments=frozenset({"llama", "claude"}),
    aliases=frozenset({"auto"}),
    groups=frozenset({"doctors"}),
    data_classes=frozenset({"EMAIL_ADDRESS", "IBAN"}),
)
RULES: list[dict[str, Any]] = [
    {"id": "a", "then": {"deny": True}},
    {"id": "a", "then": {"deny": "ask the board"}},
    {"id": "a", "when": {"category": "health"}, "then": {"allow_only": {"zone": "on_prem"}}},
    {
        "id": "a",
        "when": {"category": ["code", "legal"], "sensitivity": {"at_most": "confidential"}},
        "then": {"mask": ["EMAIL_ADDRESS", "payment"], "for": {"deployment": "claude"}},
    },
    {"id": "a", "when": {"sensitivity": "internal"}, "then": {"mask": ["IBAN"], "mode": "hash"}},
    {"id": "a", "then": {"prefer": ["llama", "claude"]}},
    {"id": "a", "then": {"prefer": {"zone": ["on_prem", "private_cloud"]}}},
    {"id": "a", "then": {"require_approval": True}, "shadow": True},
    {
        "id": "a",
        "when": {
            "data_class": {"any_of": ["EMAIL_ADDRESS"], "count": {"at_least": 3}},
            "group": "doctors",
            "key": "sk-sluice-ab",
            "alias": "auto",
            "endpoint": "chat.completions",
            "modality": ["image", "file"],
            "tools": False,
            "size": {"at_least": 10},
            "budget": "exhausted",
            "time": {"days": ["monday"], "from": "08:00", "timezone": "Europe/Berlin"},
        },
        "then": {
            "allow_only": {
                "vendor": "acme",
                "region": ["eu-1", "eu-2"],
                "retention_days": {"at_most": 30},
                "trains_on_data": False,
            }
        },
    },
    {
        "id": "a",
        "when": {"not": {"category": "health"}, "any": [{"alias": "auto"}], "category": "code"},
        "then": {"deny": True},
    },
    {"id": "a", "when": {"category": {"all_of": ["code", "health"]}}, "then": {"deny": True}},
]


def through_the_form(rule: dict[str, Any]) -> dict[str, Any]:
    initial, kept = fields_of(rule)
    sent = {name: value for name, value in initial.items() if value not in (None, "", False)}
    if "keys" in sent:
        sent["keys"] = ", ".join(sent["keys"])
    for name in ("vendors", "regions"):
        if name in sent:
            sent[name] = ", ".join(sent[name])
    form = RuleForm(sent)
    form.offer(KNOWN, initial)
    assert form.is_valid(), form.errors
    return rule_of(form.cleaned_data, kept=kept, before=rule)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_sent_back_unchanged_says_the_same(rule: dict[str, Any]) -> None:
    assert through_the_form(rule) == rule


def test_a_rule_keeps_its_recipe_only_while_it_says_the_same() -> None:
    rule = {**RULES[2], "recipe": {"id": "stays-on-prem", "answers": {"what": ["health"]}}}
    assert through_the_form(rule) == rule
    initial, kept = fields_of(rule)
    changed = {**initial, "categories": ["legal"]}
    assert "recipe" not in rule_of(changed, kept=kept, before=rule)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"effect": "mask"}, "masked"),
        ({"effect": "allow_only"}, "zones"),
        ({"effect": "prefer"}, "first"),
        ({"effect": "deny", "id": "no spaces"}, "id"),
        ({"effect": "deny", "categories": ["no-such"]}, "categories"),
        ({}, "effect"),
    ],
)
def test_a_form_names_the_field_that_is_missing_or_wrong(given: dict[str, Any], field: str) -> None:
    form = RuleForm({"id": "a", **given})
    form.offer(KNOWN, {})
    assert field in form.errors


def test_an_unquoted_time_of_yaml_is_shown_as_a_clock() -> None:
    fields, _ = fields_of({"id": "a", "when": {"time": {"from": 1080, "timezone": "UTC"}}})
    assert fields["time_from"] == "18:00"


def test_a_document_of_any_shape_has_fields() -> None:
    for odd in ({}, {"when": 3, "then": []}, {"when": {"category": 4}, "then": {"mask": {}}}):
        fields_of(odd)  # no error
    assert statement_fields("odd") == {}
    assert statement_fields({"label": 3, "zone": "cloud"})["zones"] == ["cloud"]


def test_a_sentence_is_escaped_before_its_words_are_marked() -> None:
    shown = emphasised("Always: <script>cloud</script> first.")
    assert "<script>" not in shown
    assert '<b class="cloud">cloud</b>' in shown


def test_a_name_that_holds_the_word_of_a_zone_is_no_zone() -> None:
    assert "<b" not in emphasised("demo-cloud first, then masked-for-code.")
    assert emphasised("IBAN masked").startswith('<b class="kind">IBAN account number</b>')
