"""Small documents for the project `research` and for the organisation."""

from typing import Any


def project_policy(*rules: object, **more: object) -> dict[str, Any]:
    return {"kind": "project-policy", "project": "research", "rules": list(rules), **more}


def organisation_policy(*rules: object, **more: object) -> dict[str, Any]:
    return {"kind": "organisation-policy", "rules": list(rules), **more}


LLAMA_FIRST = {"id": "llama-first", "then": {"prefer": ["llama"]}}
CLAUDE_FIRST = {"id": "claude-first", "then": {"prefer": ["claude"]}}
CODE_STAYS = {
    "id": "code-stays",
    "when": {"category": "code"},
    "then": {"allow_only": {"zone": "on_prem"}},
}
CODE_NEVER_LEAVES = {"label": {"category": "code"}, "zone": ["cloud", "private_cloud"]}
CODE = "def f(x):\n    return x + 1\n"
