"""The store stands still under load: leases go on until they are used up, then 429."""

import signal
import threading
from collections import Counter
from collections.abc import Callable
from time import perf_counter

import httpx
import pytest

from tests.e2e.spending import CLIENTS, Stage, ask, crowd, spend_until_refused, stage_for, store

pytestmark = pytest.mark.slow
__all__ = ["stage_for", "store"]  # fixtures

PAUSE_S = 90.0
ASKING = 12  # of the crowd: the machine has other work
LOG_BYTES_PER_REQUEST = 1024


def paused(stage: Stage, work: Callable[[httpx.Client, int], None], *, clients: int) -> None:
    """`work` by the crowd while the store stands still."""
    stage.webs.store.signal(signal.SIGSTOP)
    try:
        crowd(stage, work, clients=clients)
    finally:
        stage.webs.store.signal(signal.SIGCONT)


def each_web_has_a_lease(stage: Stage) -> None:
    with httpx.Client(timeout=60, trust_env=False) as client:
        for web in range(3):
            assert ask(stage, client, web) == (200, "")


def test_while_the_store_stands_still_nobody_notices_as_long_as_leases_last(
    stage_for: Callable[..., Stage],
) -> None:
    stage = stage_for("20000", log_format="json")
    each_web_has_a_lease(stage)
    seen: Counter[tuple[int, str]] = Counter()
    times: list[float] = []
    logged_before = stage.webs.logged_bytes()
    over = threading.Event()
    timer = threading.Timer(PAUSE_S, over.set)
    timer.start()

    def work(client: httpx.Client, number: int) -> None:
        while not over.wait(0.02):
            began = perf_counter()
            seen[ask(stage, client, number % 3)] += 1
            times.append(perf_counter() - began)

    paused(stage, work, clients=ASKING)
    assert set(seen) == {(200, "")}
    per_request = (stage.webs.logged_bytes() - logged_before) / len(times)
    times.sort()
    middle, last = times[len(times) // 2], times[len(times) * 99 // 100]
    print(  # noqa: T201 -- the figures; times are not judged on a shared machine
        f"store paused {PAUSE_S:.0f} s: {len(times)} requests, none failed, p50 {middle:.3f} s, "
        f"p99 {last:.3f} s, {per_request:.0f} bytes of log a request"
    )
    assert per_request <= LOG_BYTES_PER_REQUEST
    stage.webs.wait_for(stage.all_ended, "everything recorded")
    assert stage.usage() == (stage.vendor.billed, stage.vendor.answers)


def test_while_the_store_stands_still_used_up_leases_refuse_and_overrun_nothing(
    stage_for: Callable[..., Stage],
) -> None:
    stage = stage_for("4")
    each_web_has_a_lease(stage)
    seen: Counter[tuple[int, str]] = Counter()

    def work(client: httpx.Client, number: int) -> None:
        for _ in range(100):
            answer = ask(stage, client, number % 3)
            seen[answer] += 1
            if answer[0] != 200:
                return

    paused(stage, work, clients=CLIENTS)
    assert set(seen) <= {(200, ""), (429, "rate_limited")}
    assert seen[429, "rate_limited"] == CLIENTS
    assert stage.vendor.billed < 2_000_000
    spend_until_refused(stage)
    assert 3_000_000 <= stage.vendor.billed <= 4_000_000
    stage.webs.wait_for(stage.all_ended, "everything recorded")
    assert stage.usage()[0] == stage.vendor.billed
