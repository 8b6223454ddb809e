"""The semantic rules as data, through the whole path: real bytes in, recording servers at the end.

`path_cases/*.yaml` hold what cannot be seen in the engine alone: what of a request is scanned,
what is opaque, what leaves, when a permit runs out. The world is that of the worked cases: `llama`
on_prem, `claude` in the cloud with clearance (internal, {code}), `auto` is llama, then claude.
What a case's `expect` does not mention of rules, dropped and opaque must be empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from gateway.inference.contracts import Asked
from gateway.inference.digests import request_digest
from gateway.inference.exchange import Inbound
from gateway.protocol.errors import GatewayError
from policies.classification.analyser import Analyser
from policies.classification.model_recognizers import Asks, Finds, ModelRecognizer
from policies.engine.decide import compile_policy
from policies.engine.document import KnownNames, parse_document
from policies.engine.facts import Clearance, DeploymentFacts, Endpoint, Evidence, Zone
from policies.engine.labels import Sensitivity
from policies.engine.suspensions import Suspension, Suspensions
from tests.gateway.inference.conftest import ENDPOINTS, House, destination
from tests.gateway.inference.conftest import house as house  # noqa: PLC0414 -- the fixture
from tests.gateway.inference.scenario import play
from tests.gateway.providers.fault_server import FaultServer
from tests.policies.engine.conftest import label_from
from tests.support.classifier import LABELS, Classifier, ClassifierServer

Data = Mapping[str, Any]

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted((Path(__file__).parent / "path_cases").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]
FOUR = {"llama": "on_prem", "claude": "cloud"}
KEYS = {"llama": bytes(32), "claude": bytes([7]) * 32}
EMPTY: Data = {
    "status": 200,
    "order": [],
    "dropped": {},
    "rules": [],
    "shadow": [],
    "suspended": [],
    "opaque": [],
    "scans": [],
}


def set_up(house: House, world: Data) -> None:
    """The case's policies, in the snapshot that `play` made."""
    known = KnownNames(deployments=FOUR.keys(), aliases=["auto", "llama", "claude", "eager"])
    clearance = label_from(
        world.get("clearance", {"sensitivity": "internal", "categories": ["code"]})
    )
    deployments = {
        name: DeploymentFacts(
            name=name,
            zone=Zone(zone),
            clearance=Clearance(Sensitivity.RESTRICTED, None)
            if zone == "on_prem"
            else Clearance(clearance.sensitivity, clearance.categories),
            endpoints=ENDPOINTS,
            modalities=frozenset({"text", "image"}),
        )
        for name, zone in FOUR.items()
    }
    policy = compile_policy(
        organisation=parse_document(
            {"kind": "organisation-policy", **world.get("organisation", {})}, known
        ),
        project=parse_document(
            {"kind": "project-policy", "project": "lab", **world.get("project", {})}, known
        ),
        project_slug="lab",
        deployments=deployments,
        aliases={
            "auto": ["llama", "claude"],
            "eager": ["claude", "llama"],
            "llama": ["llama"],
            "claude": ["claude"],
        },
        grants=frozenset(world.get("grants", FOUR)),
    )
    snapshot = house.snapshots.snapshot
    assert snapshot is not None
    view = replace(
        snapshot.projects["lab"],
        policy=policy,
        masking_keys=KEYS if world.get("masking", True) else {},
        analyser=Analyser(budget_s=world.get("scan_budget_s", 60)),
    )
    house.change(projects={"lab": view}, egress_stopped=world.get("egress_stopped", False))
    house.snapshots.age_s = world.get("snapshot_age_s", 0.0)
    if "models" in world:
        ask_models(house, world["models"])
    if "floor_of_the_key" in world:
        house.principal = replace(house.principal, floor=label_from(world["floor_of_the_key"]))


def ask_models(house: House, models: Sequence[Data]) -> None:
    """Model recognizers that all ask `ner`, which is where the classifier is."""
    assert house.snapshots.snapshot is not None
    snapshot, asked = house.snapshots.snapshot, []
    destinations = dict(snapshot.destinations)
    for world in models:
        zone = Zone(world.get("zone", "on_prem"))
        clearance = label_from(world["clearance"]) if "clearance" in world else None
        facts = DeploymentFacts(
            name="ner",
            zone=zone,
            clearance=Clearance(Sensitivity.RESTRICTED, None)
            if clearance is None
            else Clearance(clearance.sensitivity, clearance.categories),
            endpoints=ENDPOINTS,
            evidence=tuple(
                Evidence("contract", "1", valid_until=until)
                for until in world.get("evidence_until", ())
            ),
            enabled=world.get("enabled", True),
        )
        recognizer = ModelRecognizer(
            name=world.get("name", "names"),
            deployment="ner",
            asks=Asks(world.get("asks", "token_classify")),
            labels=() if world.get("asks") == "chat" else LABELS,
            finds=(
                Finds(data_class="PERSON_NAME", category="personal", labels=("PER",), what="names"),
                Finds(data_class="ILLNESS", category="health", labels=("HEALTH",), what="illness"),
            ),
            timeout_s=world.get("timeout_s", 20),
        )
        asked.append(Asked(recognizer, facts if world.get("granted", True) else None))
        destinations["ner"] = replace(destinations["ner"], zone=zone)
    view = replace(snapshot.projects["lab"], asked=tuple(asked))
    house.change(projects={"lab": view}, destinations=destinations)


def inbound(house: House, send: Data) -> Inbound:
    """`text` or `messages` or `body`; `alias`, `endpoint`, `declared`."""
    body: dict[str, Any] = {"model": send.get("alias", "auto"), **send.get("body", {})}
    if "text" in send:
        body["messages"] = [{"role": "user", "content": send["text"]}]
    if "messages" in send:
        body["messages"] = send["messages"]
    return Inbound(
        principal=house.principal,
        endpoint=Endpoint(send.get("endpoint", "chat.completions")),
        body=msgspec.json.encode(body),
        request_id="req_1",
        declared=send.get("declared", ""),
        inherited=label_from(send.get("inherited", "public")),
    )


def suspend(house: House, world: Data, request: Inbound) -> None:
    """Exceptions for everyone; approvals for this very request, or for another one."""
    assert house.snapshots.snapshot is not None
    view = house.snapshots.snapshot.projects["lab"]
    ends = house.clock.now() + timedelta(seconds=world.get("exception_ends_in_s", 60))
    digest = request_digest(request.body, view.digest_key)
    approvals = {
        digest if which == "this" else "0" * 64: (
            Suspension(rules=frozenset(rules), until=house.clock.now() + timedelta(hours=1)),
        )
        for which, rules in world.get("approvals", {}).items()
    }
    exceptions = tuple(
        Suspension(rules=frozenset({rule}), until=ends) for rule in world.get("exceptions", ())
    )
    suspensions = Suspensions(exceptions=exceptions, approvals=approvals)
    house.change(projects={"lab": replace(view, suspensions=suspensions)})


def run(house: House, case: Data) -> tuple[dict[str, Any], dict[str, list[bytes]]]:
    """What became of the request, in the words of a case, and what each server received."""
    world, send = case.get("world", {}), case["send"]
    seen: dict[str, Any] = {}
    received: dict[str, list[bytes]] = {}

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        classifier = Classifier(case.get("words", {}))
        async with ClassifierServer(classifier, case.get("classifier", "classifying")) as ner:
            await with_classifier(house, onprem, cloud, ner)

    async def with_classifier(
        house: House, onprem: FaultServer, cloud: FaultServer, ner: FaultServer
    ) -> None:
        assert house.snapshots.snapshot is not None
        place = destination("ner", ner.base_url, Zone.ON_PREM)
        house.change(destinations={**house.snapshots.snapshot.destinations, "ner": place})
        set_up(house, world)
        request = inbound(house, send)
        suspend(house, world, request)
        servers = {"llama": onprem, "claude": cloud, "ner": ner}
        for name in case.get("down", ()):
            servers[name].mode = "failing"
        if "waits_s" in case:
            house.gate.exhausted = True
            house.gate.renewing = lambda: _wait(house, case)
        try:
            reply = await house.gateway.run(request)
            seen["status"] = reply.status
            seen["served_by"] = dict(reply.headers)[b"x-sluice-deployment"].decode()
        except GatewayError as error:
            seen["status"] = error.status
            seen["retry"] = error.headers.get("x-should-retry", "")
        for name, server in servers.items():
            received[name] = [each.body for each in server.received]

    play(house, scenario)
    decision = house.decisions()[-1]
    seen |= {
        "order": decision.candidates,
        "dropped": {
            name: f"{reason} {rule}".strip() for name, _zone, reason, rule in decision.dropped
        },
        "rules": decision.rules,
        "shadow": decision.shadow_rules,
        "suspended": decision.suspended_rules,
        "opaque": sorted(decision.opaque),
        "scans": [" ".join(scan) for scan in decision.scans],
        "label": ", ".join([decision.sensitivity, *sorted(decision.categories)]),
        "classes": decision.classes,
        "decisions": len(house.decisions()),
    }
    return seen, received


def _wait(house: House, case: Data) -> None:
    house.clock.moved_s += case["waits_s"]
    if case.get("stopped_meanwhile"):
        house.change(egress_stopped=True)


@pytest.mark.parametrize("case", CASES)
def test_the_path_does_what_the_rule_says(case: Data, house: House) -> None:
    seen, received = run(house, case)
    expected = {**EMPTY, **case["expect"]}
    arrived = expected.pop("arrived", {})
    assert {name: seen.get(name) for name in expected} == expected
    counts = {name: len(bodies) for name, bodies in received.items() if bodies}
    if expected["status"] == 200:
        assert counts.get(seen["served_by"]) == 1
    for name, wanted in arrived.items():
        bodies = b"\n".join(received[name])
        assert counts.get(name, 0) == wanted.get("requests", 1), name
        for text in wanted.get("with", ()):
            assert text.encode() in bodies
        for text in wanted.get("without", ()):
            assert text.encode() not in bodies
    # Whatever the case says: who is no candidate receives nothing, but a classifier that is asked.
    if not case.get("world", {}).get("models"):
        assert "ner" not in counts
    counts.pop("ner", None)
    assert counts.keys() <= set(seen["order"])


def test_there_are_enough_cases_for_each_rule_that_is_built() -> None:
    files = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    engine = sum(len(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in files)
    names = [str(param.id) for param in CASES]
    assert len(names) == len(set(names))
    assert engine + len(names) >= 150
    for rule in range(1, 12):
        prefix = f"rule{rule}_"
        stems = [name for name in names if name.startswith(prefix)]
        stems += [path.stem for path in files if path.stem.startswith(prefix)]
        assert stems, rule
