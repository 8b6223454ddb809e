"""Three webs on PostgreSQL and Redis, a project with a budget, a vendor who bills, a crowd."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.conftest import require
from tests.support import servers
from tests.support.servers import PostgresServer, RedisServer
from tests.support.upstream import Upstream
from tests.support.webs import Webs

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


def crowd(
    stage: Stage, work: Callable[[httpx.Client, int], None], *, clients: int = CLIENTS
) -> None:
    """`work` by so many clients at once."""

    def one(number: int) -> None:
        with httpx.Client(timeout=60, trust_env=False) as client:
            work(client, number)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, range(clients)))


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


@pytest.fixture
def store() -> Iterator[RedisServer]:
    """One that may be hurt."""
    require(servers.redis_program() is not None, "Redis")
    with servers.redis_server() as server:
        yield server


@pytest.fixture
def stage_for(
    tmp_path: Path, postgres_server: PostgresServer, store: RedisServer
) -> Iterator[Callable[..., Stage]]:
    """Makes the stage with a budget of so many dollars, and logs in a format."""
    webs = Webs(tmp_path, postgres_server, store, count=3)
    vendor = Vendor()
    with Upstream("answering") as upstream:
        upstream.server.answering = vendor

        def make(usd: str, *, log_format: str = "line") -> Stage:
            webs.install.env["SLUICE_LOG_FORMAT"] = log_format
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
