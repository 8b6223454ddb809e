"""The random search finds nothing, looks where it matters, and notices when a lock is missing."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.gateway.inference.search.__main__ import ALL, LEAST_IN_CLOUD, window
from tests.gateway.inference.search.case import Case
from tests.gateway.inference.search.mutate import LOCKS, Lock, noticed
from tests.gateway.inference.search.oracle import cleared, join, plain, readings
from tests.gateway.inference.search.running import run_cases
from tests.gateway.inference.search.servers import FAULTS
from tests.gateway.inference.search.worlds import Place

ROOT = Path(__file__).resolve().parents[4]
IN_MAKE_TEST = 5_000


@pytest.mark.slow
def test_nothing_forbidden_reaches_a_server_whatever_is_asked_and_whatever_fails() -> None:
    tally = run_cases(range(IN_MAKE_TEST))
    assert tally.wrong == []
    assert tally.cases == IN_MAKE_TEST
    assert tally.reached_cloud >= LEAST_IN_CLOUD
    # Each kind of failure, and masking, had its share.
    inside = (
        "journal",
        "label",
        "second_scan",
        "budget",
        "stale",
        "old",
        "expired",
        "stopped_late",
    )
    for what in (*(f"fault {name}" for name in FAULTS), *(f"inside {name}" for name in inside)):
        assert tally.seen[what] >= 20, what
    assert tally.seen["masked"] >= IN_MAKE_TEST // 20
    for status in (200, 403, 404, 429, 499, 503):
        assert tally.seen[f"status {status}"] >= 20, status


@pytest.mark.slow
@pytest.mark.parametrize("lock", LOCKS[:3], ids=lambda lock: lock.name)
def test_it_turns_red_without(lock: Lock) -> None:
    assert noticed(lock)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_lock_fits_the_source_once(lock: Lock) -> None:
    for edit in lock.edits:
        source = (ROOT / edit.file).read_text(encoding="utf-8")
        assert edit.applied(source) != source


def test_a_case_is_drawn_from_its_number_alone() -> None:
    first, again, other = Case.drawn(4711), Case.drawn(4711), Case.drawn(4712)
    assert (first.world, first.asked, first.faults) == (again.world, again.asked, again.faults)
    assert first.asked != other.asked


def test_the_shares_of_some_days_are_all_cases() -> None:
    today = date(2026, 7, 1)
    shares = [window(5, today + timedelta(days=day)) for day in range(5)]
    numbers = {number for first, size in shares for number in range(first, first + size)}
    assert numbers == set(range(ALL))


PLACE = Place(
    name="claude",
    zone="cloud",
    sensitivity=2,
    categories=frozenset({"personal"}),
    expired=False,
    enabled=True,
    endpoints=frozenset(),
    modalities=frozenset(),
    region=None,
    granted=True,
)


def test_the_oracle_knows_rules_1_and_2_on_its_own() -> None:
    assert join((1, frozenset()), (0, frozenset({"health"}))) == (3, frozenset({"health"}))
    assert cleared((2, frozenset({"personal"})), PLACE)
    assert not cleared((3, frozenset({"personal"})), PLACE)
    assert not cleared((2, frozenset({"payment"})), PLACE)


def test_the_oracle_reads_what_a_receiver_could_read() -> None:
    halves = b'POST / HTTP/1.1\r\n\r\n{"a": "4111 1111", "b": [1111, {"c": "1111"}]}'
    assert any("4111111111111111" in text for text in readings(halves))
    inner = b'x\r\n\r\n{"arguments": "{\\"q\\": \\"a\\u0040b.example\\"}"}'
    assert any("abexample" in text for text in readings(inner))
    packed = b'x\r\n\r\n{"a": "aGlkZGVuIHRleHQgaW4gYmFzZTY0"}'
    assert any(plain("hidden text in base64") in text for text in readings(packed))
