"""What every step of the path stands on: snapshot, journal, limits, providers, router, clocks."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.inference.contracts import (
    BudgetGate,
    Journal,
    Snapshot,
    SnapshotSource,
    SnapshotUnavailable,
)
from gateway.inference.route import Router
from gateway.inference.trace import Trace
from gateway.protocol.errors import FailClosed
from gateway.providers.calls import Provider

# An unconfirmed snapshot may lack a revocation or a narrowed policy.
ON_PREM_ONLY_AFTER_S = 5.0
NOTHING_AFTER_S = 15 * 60.0


class Surroundings:
    """One per process. `now` gives aware UTC, `monotonic` seconds."""

    def __init__(
        self,
        *,
        snapshots: SnapshotSource,
        journal: Journal,
        budget: BudgetGate,
        providers: Mapping[str, Provider],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.snapshots = snapshots
        self.journal = journal
        self.budget = budget
        self.providers = providers
        self.router = Router()
        self.now = now
        self.monotonic = monotonic

    def finish(self, trace: Trace, *, status: int, error: str = "") -> None:
        """Settle `trace` now. Does nothing the second time."""
        trace.finish(status=status, error=error, at=time.time(), now_s=self.monotonic())

    def fresh_snapshot(self) -> tuple[Snapshot, float]:
        """The snapshot and its age. Raises FailClosed when it is missing or too old."""
        try:
            snapshot, age_s = self.snapshots.current()
        except SnapshotUnavailable as error:
            raise FailClosed(
                "The gateway has no valid configuration in memory, so nothing was sent.",
                param="snapshot",
            ) from error
        if age_s > NOTHING_AFTER_S:
            raise FailClosed(
                "The gateway could not confirm its configuration for 15 minutes, so nothing was "
                "sent.",
                param="snapshot",
            )
        return snapshot, age_s


def on_prem_only_reason(snapshot: Snapshot, age_s: float) -> str:
    """Why nothing may leave on_prem at the moment, as the engine names it; empty: it may."""
    if snapshot.egress_stopped:
        return "egress_stopped"
    return "snapshot_stale" if age_s > ON_PREM_ONLY_AFTER_S else ""
