"""What every step of the path stands on: snapshot, journal, limits, providers, router, clocks."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.inference.contracts import (
    BudgetGate,
    Commits,
    Contents,
    Journal,
    Snapshot,
    SnapshotSource,
    SnapshotUnavailable,
    Watch,
)
from gateway.inference.hearing import Memory
from gateway.inference.route import Router
from gateway.inference.trace import Trace
from gateway.protocol.errors import FailClosed
from gateway.providers.calls import Provider

# An unconfirmed snapshot may lack a revocation or a narrowed policy.
ON_PREM_ONLY_AFTER_S = 5.0
NOTHING_AFTER_S = 15 * 60.0


class Surroundings:
    """One per process. `now` gives aware UTC, `monotonic` seconds.

    `watch`, `contents`, `commits`: who counts, who keeps content, who commits before sending; None
    where nobody does.
    """

    def __init__(  # noqa: PLR0913 -- everything the path stands on
        self,
        *,
        snapshots: SnapshotSource,
        journal: Journal,
        budget: BudgetGate,
        providers: Mapping[str, Provider],
        watch: Watch | None = None,
        contents: Contents | None = None,
        commits: Commits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.snapshots = snapshots
        self.journal = journal
        self.budget = budget
        self.providers = providers
        self.watch = watch
        self.contents = contents
        self.commits = commits
        self.router = Router()
        self.now = now
        self.monotonic = monotonic
        self.memory = Memory(monotonic)

    def finish(self, trace: Trace, *, status: int, error: str = "") -> None:
        """Settle `trace` now. Does nothing the second time."""
        outcome = trace.finish(status=status, error=error, at=time.time(), now_s=self.monotonic())
        if outcome is None or trace.decision is None:
            return
        if self.watch is not None:
            self.watch.ended(trace.decision, outcome)
        if trace.kept is not None and self.contents is not None:
            self.contents.keep(trace.decision, trace.kept)

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
