"""Rules and statements in words."""

import pytest

from policies.engine.document import KnownNames, parse_document
from policies.engine.sentences import never_sentence, rule_sentence

NAMES = KnownNames(deployments=("llama", "claude"), aliases=("auto",))


@pytest.mark.parametrize(
    ("when", "then", "sentence"),
    [
        (
            {"category": "health"},
            {"allow_only": {"zone": "on_prem"}},
            "When the data is of category health: only on-prem deployments may receive it.",
        ),
        (None, {"deny": "Ask the desk."}, "Always: nothing may receive it (Ask the desk)."),
        (
            {"sensitivity": {"at_least": "confidential"}, "alias": "auto"},
            {"deny": True},
            "When the data is confidential or more and the model asked for is auto: "
            "nothing may receive it.",
        ),
        (
            {"data_class": ["IBAN", "EMAIL_ADDRESS"]},
            {"mask": ["IBAN"], "for": {"deployment": "claude"}},
            "When EMAIL_ADDRESS or IBAN is found: IBAN masked (placeholder) for claude.",
        ),
        (
            {"group": "doctors"},
            {"require_approval": {"vendor": "acme"}},
            "When the caller is in group doctors: "
            "deployments of vendor acme may receive it only once it is approved.",
        ),
        (
            {"size": {"at_least": 10}},
            {"prefer": ["llama", "claude"]},
            "When the request has at least 10 bytes: llama, then claude first.",
        ),
        (
            {"tools": True},
            {"allow_only": {"region": "eu", "retention_days": {"at_most": 0}}},
            "When the request brings tools: "
            "only deployments in region eu that keep data at most 0 days may receive it.",
        ),
        (
            {"not": {"category": "code"}},
            {"deny": True},
            "When not (the data is of category code): nothing may receive it.",
        ),
        (
            {"any": [{"category": "code"}, {"budget": "exhausted"}]},
            {"deny": True},
            "When (the data is of category code or the budget is exhausted): "
            "nothing may receive it.",
        ),
        (
            {
                "time": {
                    "days": ["monday"],
                    "from": "08:00",
                    "to": "18:30",
                    "timezone": "Europe/Berlin",
                }
            },
            {"deny": True},
            "When it is on Monday from 08:00 to 18:30 (Europe/Berlin): nothing may receive it.",
        ),
    ],
)
def test_a_rule_reads_as_a_sentence(when: object, then: object, sentence: str) -> None:
    rule = {"id": "x", "then": then} | ({"when": when} if when is not None else {})
    document = {"kind": "project-policy", "project": "p", "rules": [rule]}
    assert rule_sentence(parse_document(document, NAMES).rules[0]) == sentence


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            {"label": {"at_least": "restricted"}, "zone": ["cloud", "private_cloud"]},
            "Data that is restricted never reaches cloud or private cloud deployments.",
        ),
        (
            {
                "label": {"category": ["health", "legal"], "at_most": "confidential"},
                "vendor": "acme",
            },
            "Data that is confidential or less and is of category health or legal "
            "never reaches deployments of vendor acme.",
        ),
    ],
)
def test_a_never_statement_reads_as_a_sentence(statement: object, sentence: str) -> None:
    document = {"kind": "project-policy", "project": "p", "never": [statement]}
    assert never_sentence(parse_document(document, NAMES).never[0]) == sentence
