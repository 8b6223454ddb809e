"""The time that decisions are made at: it never goes back.

Evidence runs out, keys expire, permits end. A system clock that is set back must revive none of
them, so the latest time ever seen counts, and goes on by the monotonic clock until the system's
has caught up.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def system_now() -> datetime:
    """Now, aware, in UTC, as the system says."""
    return datetime.now(UTC)


class SteadyClock:
    """`seen` is the latest time known from before this process (the audit's last record).

    Safe to call from several threads: the worst a race can do is to keep an equal or later time.
    """

    __slots__ = ("_at_s", "_latest", "_monotonic", "_system")

    def __init__(
        self,
        *,
        seen: datetime | None = None,
        system: Callable[[], datetime] = system_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system = system
        self._monotonic = monotonic
        now = system()
        self._latest = now if seen is None or seen < now else seen
        self._at_s = monotonic()

    def now(self) -> datetime:
        """The system's time, or later: never before what was returned or seen earlier."""
        now, at_s = self._system(), self._monotonic()
        if now < self._latest:
            now = self._latest + timedelta(seconds=max(at_s - self._at_s, 0.0))
        self._latest, self._at_s = now, at_s
        return now
