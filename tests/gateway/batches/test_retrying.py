"""What a row's failure means: the end of it, or another try, and when."""

import random

import pytest

from gateway.batches import retrying
from gateway.protocol.errors import (
    BudgetExceeded,
    FailClosed,
    GatewayError,
    NoDeploymentAvailable,
    RateLimited,
    UpstreamRefused,
)

CHANCE = random.Random(7)  # noqa: S311


def unavailable(*codes: str) -> NoDeploymentAvailable:
    error = NoDeploymentAvailable("none")
    error.headers["x-sluice-attempts"] = ", ".join(f"d{n} cloud {c}" for n, c in enumerate(codes))
    return error


@pytest.mark.parametrize(
    ("error", "again", "counts", "lost"),
    [
        (RateLimited("slow"), True, False, False),
        (FailClosed("journal", param="journal"), True, False, False),
        (unavailable("connect_failed", "http_429"), True, False, False),
        (unavailable("http_500"), True, True, False),
        (unavailable("http_429", "timeout"), True, True, True),
        (unavailable("closed_early"), True, True, True),
        (BudgetExceeded("spent"), False, False, False),
        (UpstreamRefused("bad", status=400, param=None, code=None), False, False, False),
        (GatewayError("ours"), False, False, False),
    ],
)
def test_what_a_failure_means(error: GatewayError, again: bool, counts: bool, lost: bool) -> None:
    found = retrying.after(error, tries=0, failures=0, chance=CHANCE)
    assert (found is not None) is again
    if found is not None:
        assert (found.counts, found.lost) == (counts, lost)
        assert 0.5 <= found.wait_s <= 1.0


def test_waiting_doubles_up_to_a_minute_and_half_of_it_is_chance() -> None:
    for tries, whole in enumerate([1, 2, 4, 8, 16, 32, 60, 60]):
        waits = {retrying.backoff_s(tries, CHANCE) for _ in range(50)}
        assert all(whole / 2 <= wait <= whole for wait in waits)
        assert len(waits) > 40


def test_retry_after_is_never_cut_short_and_never_longer_than_an_hour() -> None:
    for asked, least in (("30", 30), ("99999", 3600), ("soon", 0.5)):
        error = unavailable("http_503")
        error.headers["retry-after"] = asked
        found = retrying.after(error, tries=0, failures=0, chance=CHANCE)
        assert found is not None
        assert least <= found.wait_s <= max(least, 1)


def test_only_so_many_tries_count() -> None:
    error = unavailable("http_500")
    assert retrying.after(error, tries=9, failures=3, chance=CHANCE) is not None
    assert retrying.after(error, tries=9, failures=4, chance=CHANCE) is None
