"""The schedule of periodic tasks, on a clock that may be set back.

Celery's own counts from when a task ran last: after the clock was set back by an hour it waits that
hour, with no heads signed and nothing swept. This one begins anew from the time there is.
"""

from datetime import datetime
from typing import Any

from celery.beat import PersistentScheduler
from typing_extensions import override


class Scheduler(PersistentScheduler):
    """Named in `gateway.celery`."""

    _now: datetime | None = None

    @override
    def setup_schedule(self) -> None:
        """What is on disk may be of a time that is not yet."""
        super().setup_schedule()
        self._begin_anew()

    @override
    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run one task that is due; how long to wait for the next."""
        now = self.app.now()
        if self._now is not None and now < self._now:
            self._begin_anew()
        self._now = now
        wait: float = super().tick(*args, **kwargs)
        return wait

    def _begin_anew(self) -> None:
        """No task ran later than now; who is next is worked out again."""
        now = self.app.now()
        for entry in self.schedule.values():
            entry.last_run_at = min(entry.last_run_at or now, now)
        self._heap = None
