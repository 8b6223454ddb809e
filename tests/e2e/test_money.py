"""Budgets on three web processes that share PostgreSQL and Redis, by the upstream's own count."""

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest

from tests.conftest import require
from tests.support import servers
from tests.support.servers import PostgresServer, RedisServer
from tests.support.upstream import Upstream
from tests.support.webs import Webs

pytestmark = pytest.mark.slow

CLIENTS = 50
MICRO = 1_000  # nano-dollars
# In micro-dollars a token: what the vendor asks for the prompt's and the answer's.
INPUT, OUTPUT = 100, 1_000
CONFIG = """
deployments:
  - {{name: vendor, provider: openai_compatible, base_url: "{url}", model: large, zone: cloud,
     clearance: {{sensitivity: internal, categories: []}}, options: {{allow_private: "yes"}},
     price: {{input: 100, output: 1000}}}}
aliases: [{{name: vendor, deployments: [vendor]}}]
projects:
  - slug: lab
    floor: public
    grants: [vendor]
    budgets: [{{name: all, amount_usd: {usd}, period: total, hard: true}}]
"""


@dataclass
class Vendor:
    """Bills what it did, and says so in its answers."""

    billed: int = 0  # micro-dollars
    answers: int = 0
    most_output: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            prompt = self.chance.randint(5, 40)
            completion = self.chance.randint(1, body["max_tokens"])
            self.billed += prompt * INPUT + completion * OUTPUT
            self.answers += 1
            self.most_output = max(self.most_output, completion)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}}
        return {"model": "large", "choices": [choice | {"finish_reason": "stop"}], "usage": usage}


@dataclass
class Stage:
    webs: Webs
    upstream: Upstream
    vendor: Vendor
    key: str

    def usage(self) -> tuple[int, int]:
        """(micro-dollars, requests) by the database."""
        sql = "SELECT COALESCE(SUM(cost_nano), 0), COUNT(*) FROM usage_usagerecord"
        nano, count = self.webs.rows(sql)[0]
        return int(str(nano)) // MICRO, int(str(count))

    def all_ended(self) -> bool:
        """Every request that was let through has its outcome, or its process's end, on record."""
        sql = "SELECT COUNT(*) FROM audit_requestrecord WHERE outcome_state = 'pending'"
        return self.webs.rows(sql)[0][0] == 0 and self.usage()[1] >= self.vendor.answers


def ask(stage: Stage, client: httpx.Client, web: int, *, tokens: int = 30) -> tuple[int, str]:
    """(status, code) of one request; (0, "") when the process is gone."""
    body = {
        "model": "vendor",
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": "hello"}],
    }
    try:
        answer = client.post(
            f"{stage.webs.url(web)}/v1/chat/completions",
            content=msgspec.json.encode(body),
            headers={"authorization": f"Bearer {stage.key}", "content-type": "application/json"},
        )
    except httpx.TransportError:
        return 0, ""
    if answer.status_code == 200:
        return 200, ""
    return answer.status_code, str(answer.json()["error"]["code"])


def crowd(stage: Stage, work: Callable[[httpx.Client, int], None]) -> None:
    """`work` by fifty clients at once."""

    def one(number: int) -> None:
        with httpx.Client(timeout=60, trust_env=False) as client:
            work(client, number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one, range(CLIENTS)))


@pytest.fixture
def store() -> Iterator[RedisServer]:
    """One that may be hurt."""
    require(servers.redis_program() is not None, "Redis")
    with servers.redis_server() as server:
        yield server


@pytest.fixture
def stage_for(
    tmp_path: Path, postgres_server: PostgresServer, store: RedisServer
) -> Iterator[Callable[[str], Stage]]:
    """Makes the stage with a budget of so many dollars."""
    webs = Webs(tmp_path, postgres_server, store, count=3)
    vendor = Vendor()
    with Upstream("answering") as upstream:
        upstream.server.answering = vendor

        def make(usd: str) -> Stage:
            webs.start()
            config = tmp_path / "sluice.yaml"
            config.write_text(CONFIG.format(url=upstream.base_url, usd=usd))
            webs.install.manage("config", "apply", str(config), "--yes-widen")
            made = webs.install.manage(
                "key", "create", "k", "--project", "lab", "--service", "clients"
            )
            key = next(word for word in made.split() if word.startswith("sk-sluice-"))
            webs.serve()
            return Stage(webs, upstream, vendor, key)

        try:
            yield make
        finally:
            webs.stop()


def spend_until_refused(stage: Stage) -> Counter[str]:
    seen: Counter[str] = Counter()

    def work(client: httpx.Client, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 -- which process is asked
        while True:
            status, code = ask(stage, client, chance.randrange(3))
            seen[code or str(status)] += 1
            if status == 429:
                return

    crowd(stage, work)
    return seen


def test_fifty_clients_on_three_processes_never_pass_a_hard_budget(
    stage_for: Callable[[str], Stage],
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
    stage_for: Callable[[str], Stage],
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


PAUSE_S = 8.0


def paused(stage: Stage, work: Callable[[httpx.Client, int], None]) -> None:
    """`work` by the crowd while the store stands still."""
    stage.webs.store.signal(signal.SIGSTOP)
    try:
        crowd(stage, work)
    finally:
        stage.webs.store.signal(signal.SIGCONT)


def test_while_the_store_stands_still_nobody_notices_as_long_as_leases_last(
    stage_for: Callable[[str], Stage],
) -> None:
    stage = stage_for("2000")
    with httpx.Client(timeout=60, trust_env=False) as client:
        for web in range(3):
            assert ask(stage, client, web) == (200, "")
    seen: Counter[tuple[int, str]] = Counter()
    over = threading.Timer(PAUSE_S, lambda: None)
    over.start()

    def work(client: httpx.Client, number: int) -> None:
        while over.is_alive():
            seen[ask(stage, client, number % 3)] += 1

    paused(stage, work)
    assert set(seen) == {(200, "")}


def test_while_the_store_stands_still_used_up_leases_refuse_and_overrun_nothing(
    stage_for: Callable[[str], Stage],
) -> None:
    stage = stage_for("4")
    with httpx.Client(timeout=60, trust_env=False) as client:
        for web in range(3):
            assert ask(stage, client, web) == (200, "")
    seen: Counter[tuple[int, str]] = Counter()

    def work(client: httpx.Client, number: int) -> None:
        for _ in range(100):
            answer = ask(stage, client, number % 3)
            seen[answer] += 1
            if answer[0] != 200:
                return

    paused(stage, work)
    assert set(seen) <= {(200, ""), (429, "rate_limited")}
    assert seen[429, "rate_limited"] == CLIENTS
    assert stage.vendor.billed < 2_000_000
    spend_until_refused(stage)
    assert 3_000_000 <= stage.vendor.billed <= 4_000_000
    stage.webs.wait_for(stage.all_ended, "everything recorded")
    assert stage.usage()[0] == stage.vendor.billed
