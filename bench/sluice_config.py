"""The three installations of Sluice that are measured, as `sluice.yaml` (JSON is YAML).

`usual`: one project, two deployments, four rules. `all_layers`: besides, an organisation policy, a
long project policy of which much matches, a word list, and replicas behind each alias. `masked`:
as `usual`, with both deployments in the cloud and a word of each sentence masked for them.
"""

import json
from collections.abc import Mapping

from bench.wire import MODEL, SLOW_MODEL

Rule = dict[str, object]
_STAYS: dict[str, object] = {"allow_only": {"zone": "on_prem"}}
_WORDS = 500
_RULES = 40
# One of each sentence that the load sends.
_MASKED = ("river", "newcomer", "ferry", "ideas", "evidence")
_AT_HOME: dict[str, object] = {"zone": "on_prem"}
_CLOUD: dict[str, object] = {
    "zone": "cloud",
    "vendor": "bench",
    "clearance": {"sensitivity": "internal", "categories": []},
    "options": {"allow_private": "yes"},
}
_LETTERS = str.maketrans("0123456789", "qwxzvkjybp")


def usual(upstream_port: int) -> str:
    """What a small team would have."""
    rules: list[Rule] = [
        {"id": "health-stays", "when": {"category": "health"}, "then": _STAYS},
        {"id": "money-stays", "when": {"category": "payment"}, "then": _STAYS},
        {"id": "code-fast", "when": {"category": "code"}, "then": {"prefer": ["fast-a"]}},
        {"id": "large", "when": {"size": {"at_least": 10**6}}, "then": {"prefer": ["slow-a"]}},
    ]
    return _document(upstream_port, replicas="a", project={"policy": _policy(rules)})


def all_layers(upstream_port: int) -> str:
    """Everything that Sluice can look at on the way, at once."""
    organisation: dict[str, object] = {
        "kind": "organisation-policy",
        "rules": [
            {"id": f"stays-{category}", "when": {"category": category}, "then": _STAYS}
            for category in ("health", "payment", "secret", "personal", "legal")
        ],
    }
    words = {"category": "legal", "words": [_word(number) for number in range(_WORDS)]}
    project: dict[str, object] = {
        "policy": _policy([_rule(number) for number in range(_RULES)]),
        "word_lists": {"projects": words},
    }
    return _document(upstream_port, replicas="abc", project=project, organisation=organisation)


def masked(upstream_port: int) -> str:
    """What is masked on the way out and put back on the way in, in every request."""
    rules: list[Rule] = [
        {"id": "topics", "when": {"data_class": "TOPICS"}, "then": {"mask": ["TOPICS"]}},
    ]
    project: dict[str, object] = {
        "policy": _policy(rules),
        "word_lists": {"topics": {"category": "personal", "words": list(_MASKED)}},
    }
    return _document(upstream_port, replicas="a", project=project, where=_CLOUD)


def _word(number: int) -> str:
    """A name that no prompt contains."""
    return "project " + f"{number:04d}".translate(_LETTERS)


def _rule(number: int) -> Rule:
    """Every fourth one matches every request, the others look at something and don't."""
    when, then = (
        ({"sensitivity": {"at_most": "restricted"}}, {"prefer": ["fast-b", "slow-b"]}),
        ({"data_class": ["EMAIL_ADDRESS", "IBAN"]}, _STAYS),
        ({"size": {"at_least": 10**6 + number}, "tools": True}, _STAYS),
        ({"time": {"from": "02:00", "to": "02:01", "timezone": "Europe/Berlin"}}, _STAYS),
    )[number % 4]
    return {"id": f"rule-{number}", "when": when, "then": then}


def _policy(rules: list[Rule]) -> dict[str, object]:
    return {"kind": "project-policy", "project": "bench", "rules": rules}


def _document(
    upstream_port: int,
    *,
    replicas: str,
    project: dict[str, object],
    organisation: dict[str, object] | None = None,
    where: Mapping[str, object] = _AT_HOME,
) -> str:
    models = {"fast": MODEL, "slow": SLOW_MODEL}
    deployments = [
        {
            "name": f"{name}-{replica}",
            "provider": "openai_compatible",
            "base_url": f"http://127.0.0.1:{upstream_port}/v1",
            "model": model,
            **where,
            "endpoints": ["chat.completions"],
            "modalities": ["text"],
            "enabled": True,
        }
        for name, model in models.items()
        for replica in replicas
    ]
    document: dict[str, object] = {
        "deployments": deployments,
        "aliases": [
            {"name": model, "deployments": [f"{name}-{replica}" for replica in replicas]}
            for name, model in models.items()
        ],
        "projects": [
            {
                "slug": "bench",
                "name": "Bench",
                "floor": "internal",
                "grants": [deployment["name"] for deployment in deployments],
                **project,
            }
        ],
    }
    if organisation is not None:
        document["organisation"] = {"policy": organisation}
    return json.dumps(document)
