"""Wires the request path of this process: snapshot, journal, leases, providers.

One `Runtime` per web or worker process. Whoever brings requests (the relay endpoints, the chat)
asks `gateway()` for the wired path; before `start` and after `stop` it refuses.
"""

import asyncio
import logging
import tempfile
from pathlib import Path

from django.conf import settings

from gateway.audit.journal import FileJournal
from gateway.audit.services import latest_time_seen, register_writer
from gateway.audit.strict import StrictCommits
from gateway.content.keeper import ContentKeeper
from gateway.database_threads import in_database_thread
from gateway.inference.clock import SteadyClock
from gateway.inference.contracts import SnapshotUnavailable
from gateway.inference.path import Gateway
from gateway.protocol.errors import FailClosed
from gateway.providers.calls import Destination, Provider
from gateway.providers.litellm_cloud import LiteLLMCloud
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.translator_process import TranslatorProcess
from gateway.snapshot.build import Builder
from gateway.snapshot.source import PolledSnapshot
from gateway.telemetry.tally import Tally
from gateway.telemetry.wiring import Telemetry
from gateway.telemetry.worker_page import serve
from gateway.usage.gate import LeaseGate
from gateway.usage.loads import Loads
from gateway.usage.rebuilding import DatabaseLedger

log = logging.getLogger(__name__)

# What this process counts; from its start to its end, whatever is wired meanwhile.
tally = Tally()


class Runtime:
    """Everything of one process that must be started and stopped around the path."""

    def __init__(self, *, role: str) -> None:
        self._role = role
        self.gateway: Gateway | None = None
        self._snapshots: PolledSnapshot | None = None
        self._journal: FileJournal | None = None
        self._commits: StrictCommits | None = None
        self._contents: ContentKeeper | None = None
        self._telemetry: Telemetry | None = None
        self._leases: LeaseGate | None = None
        self._loads: Loads | None = None
        self._providers: dict[str, Provider] = {}
        self._sockets: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> None:
        """Load the first snapshot, begin the journal, open pools. Raises when one is impossible:
        a process that cannot decide does not start."""
        clock = SteadyClock(seen=await in_database_thread(latest_time_seen))
        self._snapshots = PolledSnapshot(builder=Builder(now=clock.now))
        await asyncio.to_thread(self._snapshots.start)
        self._journal = FileJournal(settings.JOURNAL_DIR, role=self._role)
        await in_database_thread(
            register_writer, self._journal.writer, directory=settings.JOURNAL_DIR
        )
        self._leases = LeaseGate(
            settings.REDIS_URL,
            holder=self._journal.writer.id,
            ledger=DatabaseLedger(),
            wall=lambda: clock.now().timestamp(),
        )
        await self._leases.start()
        if settings.AUDIT_STRICT:
            self._commits = StrictCommits(self._journal.writer.id)
        self._telemetry = Telemetry(
            tally, egress_stopped=self._egress_stopped, destination_of=self._destination_of
        )
        self._contents = ContentKeeper(lost=self._telemetry.lost_content)
        # A short private path: unix socket names are limited to about 100 characters.
        self._sockets = tempfile.TemporaryDirectory(prefix="sluice-")
        self._providers = {
            "openai_compatible": OpenAICompatible(clock=clock.now),
            "litellm_cloud": LiteLLMCloud(
                TranslatorProcess(Path(self._sockets.name) / "translator.sock"),
                clock=clock.now,
            ),
        }
        self.gateway = Gateway(
            snapshots=self._snapshots,
            journal=self._journal,
            budget=self._leases,
            providers=self._providers,
            commits=self._commits,
            contents=self._contents,
            watch=self._telemetry.watch,
            now=clock.now,
        )
        self._loads = Loads(
            settings.REDIS_URL, who=self._journal.writer.id, mine=self.gateway.router.loads
        )
        await self._loads.start()
        if self._role == "worker" and settings.WORKER_METRICS_PORT:
            serve(
                settings.WORKER_METRICS_HOST,
                settings.WORKER_METRICS_PORT,
                key=settings.METRICS_KEY,
                tally=tally,
                gateway=gateway,
            )
        log.info("ready to decide (journal writer %s)", self._journal.writer.id)

    def _egress_stopped(self) -> bool:
        """True as well while nobody knows."""
        try:
            return self._snapshots is None or self._snapshots.current()[0].egress_stopped
        except SnapshotUnavailable:
            return True

    def _destination_of(self, deployment: str) -> Destination | None:
        """None as well while nobody knows."""
        try:
            if self._snapshots is None:
                return None
            return self._snapshots.current()[0].destinations.get(deployment)
        except SnapshotUnavailable:
            return None

    async def stop(self) -> None:
        """Refuse from now on, then close everything; the journal last, outcomes may still come."""
        self.gateway = None
        for provider in self._providers.values():
            await provider.aclose()
        if self._contents is not None:
            await asyncio.to_thread(self._contents.close)
        if self._telemetry is not None:
            await asyncio.to_thread(self._telemetry.close)
        if self._commits is not None:
            await asyncio.to_thread(self._commits.close)
        if self._loads is not None:
            await self._loads.aclose()
        if self._leases is not None:
            await self._leases.aclose()
        if self._snapshots is not None:
            await asyncio.to_thread(self._snapshots.stop)
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)
        if self._sockets is not None:
            self._sockets.cleanup()


_running: Runtime | None = None


async def start(*, role: str) -> None:
    """Wire this process. `role`: `web` or `worker`."""
    global _running  # noqa: PLW0603 -- one runtime per process is what this module is for
    runtime = Runtime(role=role)
    await runtime.start()
    _running = runtime


async def stop() -> None:
    """Undo `start`."""
    global _running
    runtime, _running = _running, None
    if runtime is not None:
        await runtime.stop()


def gateway() -> Gateway:
    """The wired path of this process. Raises FailClosed while there is none."""
    if _running is None or _running.gateway is None:
        raise FailClosed("The gateway is starting or stopping; try again.", param="snapshot")
    return _running.gateway
