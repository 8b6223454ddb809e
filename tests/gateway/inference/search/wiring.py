"""The gateway of one case: its policies compiled, its journal and recognizers made to fail."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

from typing_extensions import override

from gateway.audit.journal import FileJournal
from gateway.audit.records import DecisionRecord, JournalUnavailable, Record
from gateway.inference.contracts import Principal, ProjectView, Refusal, Snapshot
from gateway.providers.calls import Destination
from policies.classification.analyser import Analyser
from policies.classification.findings import Analysis
from policies.classification.word_lists import WordList
from policies.engine.compile import CompiledPolicy, compile_policy
from policies.engine.document import parse_document
from policies.engine.facts import Clearance, DeploymentFacts, Evidence, Zone
from policies.engine.labels import Label, Sensitivity, Taxonomy
from policies.engine.reading import KnownNames
from policies.engine.suspensions import Suspension, Suspensions
from tests.gateway.inference.conftest import Gate, Snapshots
from tests.gateway.inference.search.case import Case, running
from tests.gateway.inference.search.servers import Recording
from tests.gateway.inference.search.values import CODE_NAMES
from tests.gateway.inference.search.worlds import MINIMUMS, World

STALLED_S = 0.04
_TAXONOMY = Taxonomy().raised({"mergers": Sensitivity.CONFIDENTIAL})
_LISTS = [WordList("code names", "mergers", CODE_NAMES)]
_LOOPBACK = (ip_network("127.0.0.0/8"),)


class _Finicky(Analyser):
    """An analyser whose scan number `fails_at` of a request raises."""

    @override
    def analyse(self, texts: list[str]) -> Analysis:
        case = running.get()
        case.scans += 1
        if case.scans == case.fails_at:
            raise RuntimeError("a recognizer failed")
        return super().analyse(texts)


# The second runs out of time at every text.
ANALYSERS = (_Finicky(_LISTS), Analyser(_LISTS, budget_s=0.0))


class CaseJournal:
    """The real journal, which fails where the case says so."""

    def __init__(self, inner: FileJournal, case: Case) -> None:
        self._inner = inner
        self._case = case

    @property
    def fault(self) -> str | None:
        return self._inner.fault

    def append(self, record: Record) -> None:
        if self._case.inside == "journal":
            raise JournalUnavailable("full")
        self._inner.append(record)
        self._case.decided |= isinstance(record, DecisionRecord) and record.decision == "allowed"


def prepare(case: Case, snapshots: Snapshots, gate: Gate) -> None:
    """Break what fails inside the gateway."""
    match case.inside:
        case "stale":
            snapshots.age_s = 6.0
        case "old":
            snapshots.age_s = 1000.0
        case "unavailable":
            snapshots.snapshot = None
        case "stopped":
            _stop(snapshots)
        case "refused":
            gate.refusal = Refusal(code="rate_limited", message="slow down", retry_after_s=1)
        case "stopped_late":
            gate.exhausted, gate.renewing = True, lambda: _stop(snapshots)
        case "expired" | "expired_late":
            gate.exhausted, gate.renewing = True, lambda: _wait(case)


def _wait(case: Case) -> None:
    case.clock.moved_s += 31 if case.inside == "expired" else 29.9999


def _stop(snapshots: Snapshots) -> None:
    assert snapshots.snapshot is not None
    snapshots.snapshot = replace(snapshots.snapshot, egress_stopped=True)


def principal(world: World) -> Principal:
    """Who asks."""
    sensitivity, categories = world.floors[2]
    return Principal(
        actor="user:1",
        project="lab",
        key_prefix="sk-sluice-search",
        groups=world.groups,
        floor=Label(Sensitivity(sensitivity), categories),
    )


def snapshot(case: Case, server: Recording) -> Snapshot:
    """The control plane of the case."""
    world = case.world
    view = ProjectView(
        slug="lab",
        policy=compiled(world),
        analyser=ANALYSERS[case.inside == "budget"],
        models={},
        masking_keys={name: name.encode() * 8 for name in world.places} if world.masking else {},
        suspensions=Suspensions(
            exceptions=(Suspension(rules=world.suspended, until=datetime.max.replace(tzinfo=UTC)),)
        ),
    )
    return Snapshot(
        version=1,
        keys={},
        projects={"lab": view},
        destinations={name: _destination(case, name, server) for name in world.places},
    )


def _destination(case: Case, name: str, server: Recording) -> Destination:
    zone, fault = Zone(case.world.places[name].zone), case.faults[name]
    # Nobody listens on port 1.
    url = "http://127.0.0.1:1/v1" if fault == "refused" else server.base_url(case.number, name)
    return Destination(
        deployment=name,
        provider="openai_compatible",
        zone=zone,
        base_url=url,
        upstream_model=f"{name}-model",
        credential=f"{name}-credential",
        networks=_LOOPBACK if zone is Zone.ON_PREM else (),
        options={} if zone is Zone.ON_PREM else {"allow_private": "yes"},
        first_byte_timeout_s=STALLED_S if fault == "stall" else 60.0,
    )


def compiled(world: World) -> CompiledPolicy:
    """The world's policies as the gateway compiles them."""
    known = KnownNames(
        deployments=world.places,
        aliases=world.aliases,
        categories=tuple(MINIMUMS),
        minimums=_TAXONOMY.minimums,
    )
    return compile_policy(
        organisation=parse_document(dict(world.organisation), known),
        project=parse_document(dict(world.project), known),
        project_slug="lab",
        deployments={
            place.name: DeploymentFacts(
                name=place.name,
                zone=Zone(place.zone),
                clearance=Clearance(Sensitivity(place.sensitivity), place.categories),
                endpoints=place.endpoints,
                modalities=place.modalities,
                region=place.region,
                evidence=(Evidence("contract", "K", place.evidence_until),),
                enabled=place.enabled,
            )
            for place in world.places.values()
        },
        aliases=world.aliases,
        grants=frozenset(place.name for place in world.places.values() if place.granted),
        taxonomy=_TAXONOMY,
    )
