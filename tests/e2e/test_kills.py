"""Whatever is killed, and whenever: nothing was sent that the audit does not know."""

import json
import random
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.conftest import require
from tests.e2e.batches.rows import begin, chat_row, jsonl
from tests.e2e.conftest import CONFIG
from tests.support import servers
from tests.support.cluster import Cluster
from tests.support.upstream import Upstream

PATH = "/v1/chat/completions"
BODY = json.dumps(
    {"model": "cloud-first", "messages": [{"role": "user", "content": "hello"}], "stream": True}
).encode()
# Twenty, in a random order at random moments.
VICTIMS = [*["web-0", "web-1"] * 4, *["worker-0", "worker-1"] * 2, *["valkey", "postgres"] * 4]
CLIENTS = 6
ROWS = 300

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose PostgreSQL and Redis are this test's own."""
    require(servers.postgres_programs() is not None, "PostgreSQL")
    require(servers.redis_program() is not None, "Redis")
    with servers.postgres() as postgres, servers.redis_server() as redis:
        made = Cluster(tmp_path, postgres, redis)
        try:
            yield made.start()
        finally:
            made.stop()


class Load:
    """Clients that ask both webs in turn until they are told to stop, whatever they are told."""

    def __init__(self, cluster: Cluster, key: str) -> None:
        self._cluster, self._key = cluster, key
        self._stop = threading.Event()
        self.statuses: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        while not self._stop.wait(0.02):
            number += 1
            status, _ = self._cluster.post(PATH, BODY, key=self._key, web=number % 2)
            self.statuses[status] += 1


def test_twenty_kills_leave_no_request_without_its_decision(cluster: Cluster) -> None:
    seed = secrets.randbelow(10**9)
    print("seed", seed)  # noqa: T201 -- to do it again
    chance = random.Random(seed)  # noqa: S311 -- no secret
    victims = chance.sample(VICTIMS, len(VICTIMS))
    with Upstream() as onprem, Upstream() as cloud:
        install = cluster.install
        install.apply(CONFIG.format(onprem=onprem.base_url, cloud=cloud.base_url))
        made = install.manage("key", "create", "k", "--project", "lab", "--service", "k")
        key = next(word for word in made.split() if word.startswith("sk-sluice-"))
        cluster.wait_for(
            lambda: all(cluster.post(PATH, BODY, key=key, web=web)[0] == 200 for web in (0, 1)),
            "served by both",
        )
        with openai.OpenAI(base_url=f"{cluster.url(0)}/v1", api_key=key, timeout=30) as client:
            rows = [chat_row(f"row-{n}", f"Say {n}", model="private") for n in range(ROWS)]
            batch = begin(client, jsonl(rows)).id
        with Load(cluster, key) as load:
            for victim in victims:
                threading.Event().wait(chance.uniform(0.1, 1.0))
                strike(cluster, victim)
        cluster.wait_ready()
        assert load.statuses[200] > 20, load.statuses

        with openai.OpenAI(base_url=f"{cluster.url(1)}/v1", api_key=key, timeout=30) as client:
            cluster.wait_for(
                lambda: client.batches.retrieve(batch).status == "completed", "batch completed"
            )
            counts = client.batches.retrieve(batch).request_counts
        assert counts is not None
        assert (counts.completed, counts.failed) == (ROWS, 0)

        sent = {each.header("x-request-id") for each in [*onprem.received, *cloud.received]}
        assert len(sent) > ROWS
        assert None not in sent

        def recorded() -> set[str]:
            found = install.rows("select request_id from audit_requestrecord")
            return {request for (request,) in found}

        cluster.wait_for(lambda: sent <= recorded(), "every request in the audit")
    assert "chains verified" in install.manage("audit", "verify")
    pending = "select count(*) from audit_requestrecord where outcome_state = 'pending'"
    cluster.wait_for(lambda: install.rows(pending) == [(0,)], "every end known or marked unknown")


def strike(cluster: Cluster, victim: str) -> None:
    """Kill it and start it again, as its container's restart policy does."""
    if victim == "postgres":
        cluster.postgres.kill()
        cluster.postgres.start()
    elif victim == "valkey":
        cluster.redis.kill()
        cluster.redis.start()
    else:
        cluster.kill(victim)
    cluster.revive()
