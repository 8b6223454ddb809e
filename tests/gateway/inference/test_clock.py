"""A clock that is set back revives nothing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.inference.clock import SteadyClock

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clocks:
    """The system's clock and the monotonic one, moved by the test."""

    def __init__(self) -> None:
        self.system = START
        self.passed_s = 0.0

    def steady(self, seen: datetime | None = None) -> SteadyClock:
        return SteadyClock(
            seen=seen, system=lambda: self.system, monotonic=lambda: 50.0 + self.passed_s
        )


def test_it_is_the_system_time_while_that_goes_forward() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.system += timedelta(hours=1)
    assert steady.now() == clocks.system


def test_set_back_by_a_year_it_goes_on_from_where_it_was() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.system -= timedelta(days=365)
    clocks.passed_s += 10
    assert steady.now() == START + timedelta(seconds=10)


def test_it_starts_no_earlier_than_what_was_seen_before() -> None:
    clocks = Clocks()
    seen = START + timedelta(days=30)
    steady = clocks.steady(seen)
    clocks.passed_s += 5
    assert steady.now() == seen + timedelta(seconds=5)
    clocks.system = seen + timedelta(days=1)
    assert steady.now() == clocks.system


@given(st.lists(st.tuples(st.integers(-10_000, 10_000), st.floats(0, 100))))
def test_it_never_goes_back(steps: list[tuple[int, float]]) -> None:
    clocks = Clocks()
    steady = clocks.steady()
    last = steady.now()
    for moved_s, passed_s in steps:
        clocks.system += timedelta(seconds=moved_s)
        clocks.passed_s += passed_s
        now = steady.now()
        assert now >= last
        last = now
