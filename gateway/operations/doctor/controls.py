"""Proves that the controls are live: canaries through the real path, to sinks that only record.

The path is the one that serves, with the snapshot as it is now; in place of model servers stand
recorders, in place of the journal one in a temporary folder. Nothing leaves this process, nothing
is counted or kept.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from gateway.audit.journal import FileJournal
from gateway.inference.contracts import Principal, Refusal, Reservation, Snapshot
from gateway.inference.exchange import Inbound
from gateway.inference.limits import ALL_WELL, Ask, BudgetState, Limits, Spender
from gateway.inference.path import Gateway, new_id
from gateway.operations.doctor.findings import Finding, odd, well, wrong
from gateway.protocol.errors import GatewayError
from gateway.providers.calls import Answer, Call
from gateway.providers.permit_check import check_permit, utc_now
from gateway.snapshot.build import Builder
from policies.engine.facts import Clearance, Endpoint, Zone
from policies.engine.labels import Label, Sensitivity

CANARY: Final = "4111 1111 1111 1111"  # a test number of the card schemes, valid by its checksum
FOUND: Final = "PAYMENT_CARD"
LABEL: Final = Label(Sensitivity.CONFIDENTIAL, frozenset({"payment"}))
_MOST_PROJECTS: Final = 50
_TODO: Final = "stop what leaves (`manage.py egress stop`) and report it: a control is not live"


def _written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("*.jsonl"))


class _Unlimited:
    """A budget that says yes; and its own reservation."""

    output_limit: int | None = None
    reserved_nano = 0
    leased: Sequence[list[str]] = ()

    def state(self, principal: Spender, limits: Limits) -> BudgetState:
        """All is well."""
        del principal, limits
        return ALL_WELL

    def reserve(self, ask: Ask) -> Reservation | Refusal | None:
        """Yes."""
        del ask
        return self

    async def renew(self, ask: Ask) -> Reservation | Refusal:
        """Yes."""
        del ask
        return self

    def settle(self, *, tokens: int, cost_nano: int) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing."""


class _Said:
    """An answer of two words."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "application/json"}

    async def read(self, limit: int) -> bytes:
        """All of it."""
        del limit
        return b'{"choices":[{"index":0,"message":{"role":"assistant","content":"all well"}}]}'

    async def chunks(self) -> AsyncIterator[bytes]:
        """All of it."""
        yield await self.read(0)

    async def aclose(self) -> None:
        """Nothing."""


@dataclass(slots=True)
class _Recorder:
    """Stands in for every provider; looks, at the moment of sending, for the journal's decision."""

    folder: Path
    calls: list[Call] = field(default_factory=list)
    unjournaled: int = 0

    async def send(self, call: Call) -> Answer:
        """Record it."""
        check_permit(call, now=utc_now())
        decision = call.permit.decision_id.encode()
        if decision not in _written(self.folder):
            self.unjournaled += 1
        self.calls.append(call)
        return _Said()

    async def aclose(self) -> None:
        """Nothing."""


@dataclass(slots=True)
class _Fixed:
    """A snapshot that does not age."""

    snapshot: Snapshot

    def current(self) -> tuple[Snapshot, float]:
        """It."""
        return self.snapshot, 0.0


@dataclass(slots=True, kw_only=True)
class _Trial:
    """What came of the canaries."""

    asked: int = 0
    unlabelled: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    unjournaled: int = 0
    sent_without_journal: int = 0
    sent_while_stopped: int = 0


def controls() -> Iterator[Finding]:
    """Whether labels, clearances, the journal and the switch do what they are for, now."""
    snapshot = Builder().build()
    projects = sorted(snapshot.projects)[:_MOST_PROJECTS]
    trial = _Trial()
    for slug in projects:
        asyncio.run(_try_project(snapshot, slug, trial))
    if not trial.asked:
        yield odd("no project has a model for chats: the controls had nothing to do", "add one")
        return
    said = f"{trial.asked} canaries of {len(projects)} projects"
    for slug in sorted(set(trial.unlabelled)):
        yield wrong(f"a card number in {slug} is not found", _TODO)
    for where in sorted(set(trial.leaked)):
        yield wrong(f"a card number would have gone to {where}, not cleared for it", _TODO)
    if trial.unjournaled:
        yield wrong(f"{trial.unjournaled} sendings came before their journal record", _TODO)
    if trial.sent_without_journal:
        yield wrong("a journal that cannot be written does not stop requests", _TODO)
    if trial.sent_while_stopped:
        yield wrong("the switch for what leaves on-prem does not stop it", _TODO)
    if not (trial.unlabelled or trial.leaked or trial.unjournaled):
        yield well(f"{said}: found, journaled before sending, sent where it is cleared alone")
    if not (trial.sent_without_journal or trial.sent_while_stopped):
        yield well("without a journal nothing is sent; with egress stopped nothing leaves")


async def _try_project(snapshot: Snapshot, slug: str, trial: _Trial) -> None:
    aliases = [
        name
        for name, card in snapshot.projects[slug].models.items()
        if Endpoint.CHAT_COMPLETIONS.value in card.endpoints
    ]
    for alias in aliases:
        trial.asked += 1
        with tempfile.TemporaryDirectory(prefix="sluice-doctor-") as place:
            await _try_alias(snapshot, slug, alias, trial, Path(place))


async def _try_alias(snapshot: Snapshot, slug: str, alias: str, trial: _Trial, place: Path) -> None:
    recorder = _Recorder(place)
    with closing(FileJournal(place)) as journal:
        gateway = _gateway(snapshot, journal, recorder)
        await _ask(gateway, slug, alias, CANARY)
        trial.unjournaled += recorder.unjournaled
        if FOUND.encode() not in _written(place):
            trial.unlabelled.append(slug)
        facts = snapshot.projects[slug].policy.deployments
        for call in recorder.calls:
            name = call.destination.deployment
            cleared = name in facts and _covers(facts[name].clearance, LABEL)
            if call.destination.zone is not Zone.ON_PREM and not cleared and _holds(call.body):
                trial.leaked.append(f"{name} ({call.destination.zone.value}) from {slug}")
        recorder.calls.clear()
        stopped = _gateway(replace(snapshot, egress_stopped=True), journal, recorder)
        await _ask(stopped, slug, alias, "blue skies")
        trial.sent_while_stopped += sum(
            call.destination.zone is not Zone.ON_PREM for call in recorder.calls
        )
        recorder.calls.clear()
        journal.close()
        refused = await _ask(gateway, slug, alias, "blue skies")
        trial.sent_without_journal += len(recorder.calls) or int(refused is None)


def _gateway(snapshot: Snapshot, journal: FileJournal, recorder: _Recorder) -> Gateway:
    kinds = {destination.provider for destination in snapshot.destinations.values()}
    return Gateway(
        snapshots=_Fixed(snapshot),
        journal=journal,
        budget=_Unlimited(),
        providers=dict.fromkeys(kinds, recorder),
    )


async def _ask(gateway: Gateway, slug: str, alias: str, text: str) -> GatewayError | None:
    body = {"model": alias, "messages": [{"role": "user", "content": f"Please note {text}."}]}
    inbound = Inbound(
        principal=Principal(actor="system:doctor", project=slug),
        endpoint=Endpoint.CHAT_COMPLETIONS,
        body=msgspec.json.encode(body),
        request_id=new_id("req_"),
        channel="doctor",
    )
    try:
        reply = await gateway.run(inbound)
    except GatewayError as refused:
        return refused
    await reply.aclose()
    return None


def _holds(body: bytes) -> bool:
    return CANARY.replace(" ", "").encode() in body.replace(b" ", b"")


def _covers(clearance: Clearance, label: Label) -> bool:
    """Semantic rule 2, written a second time: what is looked at does not vouch for itself."""
    return clearance.sensitivity >= label.sensitivity and (
        clearance.categories is None or label.categories <= clearance.categories
    )
