"""Budgets on three web processes that share PostgreSQL and Redis, by the upstream's own count."""

import random
import threading
from collections import Counter
from collections.abc import Callable

import httpx
import openai
import pytest

from tests.e2e.spending import MICRO, Stage, ask, crowd, spend_until_refused, stage_for, store

pytestmark = pytest.mark.slow
__all__ = ["stage_for", "store"]  # fixtures


def test_fifty_clients_on_three_processes_never_pass_a_hard_budget(
    stage_for: Callable[..., Stage],
) -> None:
    stage = stage_for("5")
    seen = spend_until_refused(stage)
    assert set(seen) == {"200", "budget_exceeded"}
    assert stage.vendor.most_output <= 30
    # What is left: three leases of a twentieth each, and one reservation of about 0.07 USD, beside
    # what others had reserved when the last one was refused.
    assert 4_000_000 <= stage.vendor.billed <= 5_000_000
    stage.webs.wait_for(stage.all_ended, "everything recorded")
    assert stage.usage() == (stage.vendor.billed, seen["200"])
    client = openai.OpenAI(
        base_url=f"{stage.webs.url(0)}/v1", api_key=stage.key, max_retries=0, timeout=30
    )
    with client, pytest.raises(openai.RateLimitError) as refused:
        while True:
            client.chat.completions.create(
                model="vendor", messages=[{"role": "user", "content": "hello"}], max_tokens=30
            )
    assert refused.value.code == "budget_exceeded"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert stage.vendor.billed <= 5_000_000


def test_after_kills_of_webs_and_store_nothing_is_charged_twice_or_passed(
    stage_for: Callable[..., Stage],
) -> None:
    stage = stage_for("6")
    answered: Counter[int] = Counter()
    enough = threading.Event()

    def work(client: httpx.Client, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 -- which process is asked
        while True:
            status, code = ask(stage, client, chance.randrange(3))
            answered[status] += 1
            if sum(answered.values()) > 60:
                enough.set()
            if code == "budget_exceeded":
                return
            if status != 200:
                threading.Event().wait(0.1)

    spending = threading.Thread(target=crowd, args=(stage, work))
    spending.start()
    assert enough.wait(60)
    stage.webs.kill(0)
    stage.webs.store.kill()
    stage.webs.kill(1)
    stage.webs.store.start()
    stage.webs.serve()
    spending.join(120)
    assert not spending.is_alive(), stage.webs.tail()
    stage.webs.wait_for(stage.all_ended, "everything recorded")
    spent, requests = stage.usage()
    assert stage.vendor.billed <= spent <= 6_000_000
    known = (
        "SELECT COALESCE(SUM(cost_nano), 0), COUNT(*) FROM usage_usagerecord WHERE NOT estimated"
    )
    exact, counted = (int(str(each)) for each in stage.webs.rows(known)[0])
    assert exact // MICRO <= stage.vendor.billed
    # Whoever got an answer was charged once; what died with its process, once at its reservation.
    assert answered[200] <= counted <= stage.vendor.answers <= requests
    days = stage.webs.rows("SELECT SUM(cost_nano), SUM(requests) FROM usage_usageday")[0]
    assert (int(str(days[0])) // MICRO, int(str(days[1]))) == (spent, requests)
