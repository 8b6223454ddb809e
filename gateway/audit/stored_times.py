"""Times of records as the database stores them: once for each of thousands of rows a second."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from gateway.audit.columns import moment


def stored_times() -> tuple[Callable[[datetime], Any], Callable[[float], Any]]:
    """What the current connection stores for an aware time, and for Unix seconds. For one batch."""
    if connection.vendor == "sqlite" and connection.timezone is UTC:
        return _SqliteTimes.slow, _SqliteTimes()
    adapt: Callable[[datetime], Any] = connection.ops.adapt_datetimefield_value
    return adapt, lambda seconds: adapt(moment(seconds))


class _SqliteTimes:
    """Unix seconds as Django stores a UTC time in SQLite, "2026-01-31 12:00:00.250000".

    A text per second is kept, since records come by the thousand a second: 0.5 µs a time, a
    datetime's own `isoformat` 1.1, Django's way 5.
    """

    def __init__(self) -> None:
        self._second = -1.0
        self._text = ""

    def __call__(self, seconds: float) -> str:
        time = moment(seconds)
        microsecond = time.microsecond
        if not microsecond:  # no fraction in the text; maybe rounded up into the next second
            return self.slow(time)
        if seconds // 1 != self._second:
            self._text = self.slow(time.replace(microsecond=0))
            self._second = seconds // 1
        return f"{self._text}.{microsecond:06d}"

    @staticmethod
    def slow(time: datetime) -> str:
        """Of any time."""
        return time.replace(tzinfo=None).isoformat(" ")
