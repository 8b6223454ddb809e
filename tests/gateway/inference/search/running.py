"""Runs cases: a policy, a request and a fault each, through the path, to recording servers.

A case is drawn from its number alone. Cases run side by side on one loop; what a server received
is judged when all connections are closed, so that nothing still on its way is missed.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.audit.journal import FileJournal
from gateway.inference.exchange import Inbound, Reply
from gateway.inference.path import Gateway
from gateway.protocol.errors import GatewayError
from gateway.providers.openai_compatible import OpenAICompatible
from policies.engine.facts import Endpoint
from policies.engine.labels import Label, Sensitivity
from tests.gateway.inference.conftest import Gate, Snapshots
from tests.gateway.inference.search.case import Case, Tally, running
from tests.gateway.inference.search.oracle import found_in
from tests.gateway.inference.search.servers import UNATTRIBUTED, Recording
from tests.gateway.inference.search.wiring import CaseJournal, prepare, principal, snapshot

SIDE_BY_SIDE = 24
CHUNK = 240


def run_cases(numbers: Sequence[int]) -> Tally:
    """Run these cases and judge them."""
    tally = Tally()
    for start in range(0, len(numbers), CHUNK):
        with tempfile.TemporaryDirectory(prefix="sluice-search-") as folder:
            asyncio.run(_chunk(numbers[start : start + CHUNK], Path(folder), tally))
    return tally


async def _chunk(numbers: Sequence[int], folder: Path, tally: Tally) -> None:
    cases = {str(number): Case.drawn(number) for number in numbers}

    def asked(place: tuple[str, str]) -> str:
        case = cases.get(place[0])
        if case is None:
            return "500"
        fault = case.faults.get(place[1], "")
        if fault == "late":
            case.clock.moved_s += 40
        if not case.decided:
            case.wrong.append("bytes left before the decision was in the journal")
        return fault

    journal = FileJournal(folder)
    turns = asyncio.Semaphore(SIDE_BY_SIDE)
    provider = OpenAICompatible(clock=_now)
    async with Recording(asked=asked) as server:

        async def one(case: Case) -> None:
            async with turns:
                await _run(case, journal, provider, server)

        try:
            await asyncio.gather(*map(one, cases.values()))
        finally:
            await provider.aclose()
            journal.close()
        await server.drained()
        for case in cases.values():
            _judge(case, server, tally)
        if UNATTRIBUTED in server.received:
            tally.wrong.append(f"bytes that belong to no case, near case {numbers[0]}")


def _now() -> datetime:
    return running.get().clock.now()


async def _run(
    case: Case,
    journal: FileJournal,
    provider: OpenAICompatible,
    server: Recording,
) -> None:
    running.set(case)
    snapshots, gate = Snapshots(), Gate()
    snapshots.snapshot = snapshot(case, server)
    gateway = Gateway(
        snapshots=snapshots,
        journal=CaseJournal(journal, case),
        budget=gate,
        providers={"openai_compatible": provider},
        now=case.clock.now,
        monotonic=case.clock.monotonic,
    )
    prepare(case, snapshots, gate)
    asked = case.asked
    inbound = Inbound(
        principal=principal(case.world),
        endpoint=Endpoint(asked.endpoint),
        body=msgspec.json.encode(asked.body),
        request_id=f"req_{case.number}",
        declared=asked.declared,
        inherited=Label(Sensitivity(asked.inherited[0]), asked.inherited[1]),
    )
    task = asyncio.ensure_future(_ask(case, gateway, inbound))
    if case.ending == "cancel":
        for _ in range(case.steps):
            await asyncio.sleep(0)
        task.cancel()
    try:
        await task
    except GatewayError as error:
        case.status = error.status
    except asyncio.CancelledError:
        case.status = 499
    except Exception as error:  # noqa: BLE001 -- whatever it is, the path may not raise it
        case.wrong.append(f"raised {type(error).__name__}")


async def _ask(case: Case, gateway: Gateway, inbound: Inbound) -> None:
    reply: Reply = await gateway.run(inbound)
    case.status = reply.status
    case.masked = int(dict(reply.headers)[b"x-sluice-masked"])
    try:
        async for chunk in reply.chunks:
            case.reply += chunk
            if case.ending == "leave":
                return
    finally:
        await reply.aclose()


def _judge(case: Case, server: Recording, tally: Tally) -> None:
    tally.cases += 1
    zones: set[str] = set()
    for name, ban in case.bans().items():
        for raw in server.received.get((str(case.number), name), ()):
            zones.add(case.world.places[name].zone)
            case.wrong += [f"{name} received: {why}" for why in found_in(raw, ban)]
            if case.nothing_may_leave:
                case.wrong.append(f"{name} received something though {case.inside} failed")
    _look_at_answer(case)
    seen = tally.seen
    seen[f"status {case.status}"] += 1
    seen[f"inside {case.inside or 'nothing'}"] += 1
    seen.update(f"reached {zone}" for zone in zones)
    seen.update(f"fault {fault}" for fault in case.faults.values() if fault)
    seen["masked"] += case.masked > 0
    tally.wrong += [f"case {case.number}: {what}" for what in dict.fromkeys(case.wrong)]


def _look_at_answer(case: Case) -> None:
    """What was masked by placeholders alone comes back as it was."""
    masks = [rule["then"] for _, rule in case.world.rules() if "mask" in rule["then"]]
    whole = case.status == 200 and not case.ending and case.asked.last and case.masked
    if not whole or any(mask["mode"] != "placeholder" for mask in masks):
        return
    if not any(fault in {"cut_stream", "not_json"} for fault in case.faults.values()):
        told = _said(case.reply, stream=case.asked.body.get("stream") is True)
        if told != case.asked.last:
            case.wrong.append("the answer does not hold what was asked")


def _said(reply: bytes, *, stream: bool) -> str:
    if not stream:
        said: str = json.loads(reply)["choices"][0]["message"]["content"]
        return said
    return "".join(
        choice["delta"].get("content") or ""
        for event in _events(reply)
        for choice in event.get("choices", ())
    )


def _events(reply: bytes) -> Iterator[dict[str, list[dict[str, dict[str, str]]]]]:
    for line in reply.split(b"\n"):
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])
