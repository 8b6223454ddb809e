"""Policies and requests from plain data, as the case files write them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from policies.engine.compile import CompiledPolicy, compile_policy
from policies.engine.document import KnownNames, parse_document
from policies.engine.facts import (
    EVERYTHING_CLEARED,
    NOTHING_CLEARED,
    Clearance,
    DeploymentFacts,
    Evidence,
    RequestFacts,
    Zone,
)
from policies.engine.labels import Label, Sensitivity

Data = Mapping[str, Any]

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)  # a Wednesday
CLASSES: Mapping[str, Label] = {
    "EMAIL_ADDRESS": Label(Sensitivity.CONFIDENTIAL, frozenset({"personal"})),
    "PERSON_NAME": Label(Sensitivity.CONFIDENTIAL, frozenset({"personal"})),
    "IBAN": Label(Sensitivity.CONFIDENTIAL, frozenset({"payment"})),
    "MEDICAL_RECORD_NUMBER": Label(Sensitivity.RESTRICTED, frozenset({"health"})),
    "AWS_ACCESS_KEY": Label(Sensitivity.RESTRICTED, frozenset({"secret"})),
    "SOURCE_CODE": Label(Sensitivity.INTERNAL, frozenset({"code"})),
}
# The world of the worked cases in the design.
WORLD: Data = {
    "deployments": {
        "llama": {"zone": "on_prem"},
        "claude": {
            "zone": "cloud",
            "clearance": {"sensitivity": "internal", "categories": ["code"]},
        },
    },
    "aliases": {"auto": ["llama", "claude"], "claude": ["claude"], "llama": ["llama"]},
}


def deployment_from(name: str, data: Data) -> DeploymentFacts:
    zone = Zone(data["zone"])
    clearance = EVERYTHING_CLEARED if zone is Zone.ON_PREM else NOTHING_CLEARED
    if "clearance" in data:
        categories = data["clearance"].get("categories", "all")
        clearance = Clearance(
            Sensitivity.from_word(data["clearance"]["sensitivity"]),
            None if categories == "all" else frozenset(categories),
        )
    evidence = tuple(
        Evidence("contract", "K-1", date.fromisoformat(day)) for day in data.get("evidence", ())
    )
    return DeploymentFacts(
        name=name,
        zone=zone,
        clearance=clearance,
        endpoints=frozenset(data.get("endpoints", ("chat.completions",))),
        modalities=frozenset(data.get("modalities", ("text",))),
        vendor=data.get("vendor"),
        region=data.get("region"),
        retention_days=data.get("retention_days"),
        trains_on_data=data.get("trains_on_data"),
        evidence=evidence,
        enabled=data.get("enabled", True),
    )


def policy_from(data: Data) -> CompiledPolicy:
    """Fields as in WORLD, and `organisation`, `project`: documents without kind and name."""
    deployments = {name: deployment_from(name, item) for name, item in data["deployments"].items()}
    known = KnownNames(
        deployments=deployments.keys(), aliases=data["aliases"].keys(), data_classes=CLASSES.keys()
    )
    organisation = parse_document(
        {"kind": "organisation-policy", **data.get("organisation", {})}, known
    )
    own = dict(organisation.categories)
    project = parse_document(
        {"kind": "project-policy", "project": "research", **data.get("project", {})},
        replace(known, categories=[*known.categories, *own]),
    )
    return compile_policy(
        organisation=organisation,
        project=project,
        project_slug="research",
        deployments=deployments,
        aliases=data["aliases"],
        grants=frozenset(data.get("grants", deployments)),
    )


def label_from(data: Any) -> Label:
    if isinstance(data, str):
        return Label(Sensitivity.from_word(data))
    return Label(
        Sensitivity.from_word(data.get("sensitivity", "public")),
        frozenset(data.get("categories", ())),
    )


def facts_from(policy: CompiledPolicy, data: Data) -> RequestFacts:
    """`findings`, `declared`, `opaque`, and the fields of RequestFacts under their own names."""
    join = policy.taxonomy.join
    findings = dict(data.get("findings", {}))
    unmaskable = [policy.floor]
    if "declared" in data:
        unmaskable.append(label_from(data["declared"]))
    if data.get("opaque"):
        unmaskable.append(policy.taxonomy.worst)
    base = join(unmaskable)
    now = data.get("now", NOW)
    return RequestFacts(
        decision_id="decision-1",
        digest="d" * 64,
        endpoint=data.get("endpoint", "chat.completions"),
        alias=data.get("alias", "auto"),
        label=join([base, *(CLASSES[name] for name in findings)]),
        unmaskable=base,
        now=now if isinstance(now, datetime) else datetime.fromisoformat(now),
        data_classes=findings,
        class_labels={name: CLASSES[name] for name in findings},
        unread=data.get("unread", False),
        groups=frozenset(data.get("groups", ())),
        key=data.get("key", ""),
        size_bytes=data.get("size_bytes", 100),
        modalities=frozenset(data.get("modalities", ("text",))),
        tools=frozenset(data.get("tools", ())),
        reach_out=frozenset(data.get("reach_out", ())),
        budget=data.get("budget", "ok"),
        on_prem_only_because=data.get("on_prem_only_because", ""),
        suspended=frozenset(data.get("suspended", ())),
    )


@pytest.fixture(scope="session")
def world() -> Data:
    return WORLD


@pytest.fixture(scope="session")
def classes() -> Mapping[str, Label]:
    return CLASSES


@pytest.fixture(scope="session")
def make_policy() -> Callable[[Data], CompiledPolicy]:
    return policy_from


@pytest.fixture(scope="session")
def make_facts() -> Callable[[CompiledPolicy, Data], RequestFacts]:
    return facts_from
