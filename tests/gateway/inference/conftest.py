"""A wired path in process: real journal, real HTTP client, real upstreams; only time is ours."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.audit.journal import FileJournal
from gateway.audit.records import DecisionRecord, OutcomeRecord, Record
from gateway.inference.contracts import (
    ModelCard,
    Principal,
    ProjectView,
    Refusal,
    Reservation,
    Snapshot,
    SnapshotUnavailable,
)
from gateway.inference.exchange import Inbound, Reply
from gateway.inference.limits import ALL_WELL, Ask, BudgetState, Limits, Spender
from gateway.inference.path import Gateway
from gateway.providers.calls import Destination
from gateway.providers.openai_compatible import OpenAICompatible
from policies.classification.analyser import Analyser
from policies.engine.decide import CompiledPolicy, compile_policy
from policies.engine.document import parse_document
from policies.engine.facts import Clearance, DeploymentFacts, Endpoint, Zone
from policies.engine.labels import Sensitivity, Taxonomy
from policies.engine.reading import KnownNames

ENDPOINTS = frozenset(endpoint.value for endpoint in Endpoint)
LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass
class Clock:
    """Both clocks of the path, moved by the test."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    moved_s: float = 0.0

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.moved_s)

    def monotonic(self) -> float:
        return 1000.0 + self.moved_s


@dataclass
class Snapshots:
    """A snapshot that the test replaces; `age_s` is what the path is told."""

    snapshot: Snapshot | None = None
    age_s: float = 0.0

    def current(self) -> tuple[Snapshot, float]:
        if self.snapshot is None:
            raise SnapshotUnavailable
        return self.snapshot, self.age_s


class Counted:
    """A reservation that remembers how it ended."""

    reserved_nano = 0
    leased: Sequence[list[str]] = ()

    def __init__(self, output_limit: int | None = None) -> None:
        self.ended: list[str] = []
        self.output_limit = output_limit

    def settle(self, *, tokens: int, cost_nano: int) -> None:
        self.ended.append(f"settled {tokens} {cost_nano}")

    def release(self) -> None:
        self.ended.append("released")


@dataclass
class Gate:
    """A budget gate that the test closes."""

    refusal: Refusal | None = None
    exhausted: bool = False
    renewing: Callable[[], None] | None = None
    reservations: list[Counted] = field(default_factory=list)

    output_limit: int | None = None
    told: BudgetState = ALL_WELL
    asks: list[Ask] = field(default_factory=list)

    def state(self, principal: Spender, limits: Limits) -> BudgetState:
        del principal, limits
        return self.told

    def reserve(self, ask: Ask) -> Reservation | Refusal | None:
        self.asks.append(ask)
        if self.exhausted:
            return None
        if self.refusal:
            return self.refusal
        self.reservations.append(Counted(self.output_limit))
        return self.reservations[-1]

    async def renew(self, ask: Ask) -> Reservation | Refusal:
        if self.renewing:
            self.renewing()
        self.exhausted = False
        granted = self.reserve(ask)
        assert granted is not None
        return granted


@dataclass
class House:
    """Everything of one test."""

    gateway: Gateway
    journal: FileJournal
    journal_dir: Path
    snapshots: Snapshots
    gate: Gate
    clock: Clock
    principal: Principal

    def inbound(self, body: Any, *, endpoint: Endpoint = Endpoint.CHAT_COMPLETIONS) -> Inbound:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return Inbound(principal=self.principal, endpoint=endpoint, body=raw, request_id="req_1")

    async def run(self, body: Any) -> Reply:
        return await self.gateway.run(self.inbound(body))

    def records(self) -> list[Record]:
        """What the journal holds, read back from its files."""
        found: list[Record] = []
        for path in sorted(self.journal_dir.rglob("*")):
            if not path.is_file():
                continue
            for line in path.read_bytes().splitlines():
                tree = msgspec.json.decode(line)
                if isinstance(tree, dict) and "r" in tree:
                    found.append(msgspec.convert(tree["r"], DecisionRecord | OutcomeRecord))
        return found

    def decisions(self) -> list[DecisionRecord]:
        return [each for each in self.records() if isinstance(each, DecisionRecord)]

    def outcomes(self) -> list[OutcomeRecord]:
        return [each for each in self.records() if isinstance(each, OutcomeRecord)]

    def change(self, **fields: Any) -> None:
        """Replace the snapshot by a changed one."""
        assert self.snapshots.snapshot is not None
        self.snapshots.snapshot = replace(self.snapshots.snapshot, **fields)


def policy(document: dict[str, Any] | None = None) -> CompiledPolicy:
    parsed = parse_document(
        {"kind": "project-policy", "project": "lab", "floor": "internal", **(document or {})},
        KnownNames(
            deployments=["llama", "claude"],
            aliases=["private", "vendor", "house-first", "cloud-first"],
        ),
    )
    return compile_policy(
        organisation=None,
        project=parsed,
        project_slug="lab",
        deployments={
            "llama": DeploymentFacts(
                name="llama",
                zone=Zone.ON_PREM,
                clearance=Clearance(Sensitivity.RESTRICTED, None),
                endpoints=ENDPOINTS,
                modalities=frozenset({"text", "image"}),
            ),
            "claude": DeploymentFacts(
                name="claude",
                zone=Zone.CLOUD,
                clearance=Clearance(Sensitivity.INTERNAL, frozenset({"code"})),
                endpoints=ENDPOINTS,
                modalities=frozenset({"text", "image"}),
            ),
        },
        aliases={
            "private": ["llama"],
            "vendor": ["claude"],
            "house-first": ["llama", "claude"],
            "cloud-first": ["claude", "llama"],
        },
        grants=frozenset({"llama", "claude"}),
        taxonomy=Taxonomy(),
    )


def destination(name: str, base_url: str, zone: Zone, **fields: Any) -> Destination:
    return Destination(
        deployment=name,
        provider="openai_compatible",
        zone=zone,
        base_url=base_url,
        upstream_model=f"{name}-model",
        networks=LOOPBACK if zone is Zone.ON_PREM else (),
        options={} if zone is Zone.ON_PREM else {"allow_private": "yes"},
        **fields,
    )


def snapshot(
    onprem_url: str,
    cloud_url: str,
    document: dict[str, Any] | None = None,
    masking_keys: dict[str, bytes] | None = None,
) -> Snapshot:
    principal = Principal(actor="user:1", project="lab", key_prefix="sk-sluice-abcdefgh")
    view = ProjectView(
        slug="lab",
        policy=policy(document),
        analyser=Analyser(),
        models={"private": ModelCard(id="private", created=0, zones=("on_prem",))},
        masking_keys=masking_keys or {},
    )
    return Snapshot(
        version=1,
        keys={b"": principal},
        projects={"lab": view},
        destinations={
            "llama": destination("llama", onprem_url, Zone.ON_PREM),
            "claude": destination("claude", cloud_url, Zone.CLOUD),
        },
    )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The path, not yet pointed anywhere: set `snapshots.snapshot`."""
    clock = Clock()
    snapshots, gate = Snapshots(), Gate()
    directory = tmp_path / "journal"
    journal = FileJournal(directory)
    gateway = Gateway(
        snapshots=snapshots,
        journal=journal,
        budget=gate,
        providers={"openai_compatible": OpenAICompatible(clock=clock.now)},
        now=clock.now,
        monotonic=clock.monotonic,
    )
    yield House(
        gateway=gateway,
        journal=journal,
        journal_dir=directory,
        snapshots=snapshots,
        gate=gate,
        clock=clock,
        principal=Principal(actor="user:1", project="lab", key_prefix="sk-sluice-abcdefgh"),
    )
    journal.close()
