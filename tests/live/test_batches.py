"""Two thousand rows on two real vLLM replicas, one of which is killed midway.

Replicas of its own: other tests need theirs alive.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import openai
import pytest

from tests.conftest import require
from tests.live.model_server import START_S, ModelServer, installed
from tests.support.ports import free_port
from tests.support.sluice import Sluice

pytestmark = pytest.mark.live

ROWS = 2000
CONFIG = """
deployments:
  - {{name: batch-a, base_url: "{a.base_url}", model: {a.model}, zone: on_prem}}
  - {{name: batch-b, base_url: "{b.base_url}", model: {b.model}, zone: on_prem}}
aliases:
  - {{name: batch, deployments: [batch-a, batch-b]}}
projects:
  - {{slug: rows, grants: [batch-a, batch-b]}}
"""


@dataclass(frozen=True)
class Site:
    """A Sluice with a worker in front of two replicas."""

    sluice: Sluice
    client: openai.OpenAI
    replicas: tuple[ModelServer, ModelServer]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    require(installed(), "vLLM (.ci/install-live)")
    with ExitStack() as running:
        first, second = (
            ModelServer(name=name, model="llama", port=free_port(), folder=tmp_path)
            for name in ("batch-a", "batch-b")
        )
        running.callback(first.kill)
        running.callback(second.kill)
        for server in (first, second):
            server.wait_ready(until=monotonic() + START_S)
        (tmp_path / "var").mkdir()
        sluice = Sluice(tmp_path / "var", demo=False, worker=True)
        running.callback(sluice.stop)
        sluice.start()
        sluice.apply(CONFIG.format(a=first, b=second))
        made = sluice.manage("key", "create", "live", "--project", "rows", "--service", "live")
        key = next(word for word in made.split() if word.startswith("sk-sluice-"))
        sluice.settle()
        yield Site(sluice, sluice.client(key), (first, second))


def test_every_row_is_answered_though_a_replica_dies_midway(site: Site) -> None:
    client = site.client
    rows = [
        {
            "custom_id": f"r{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "batch",
                "messages": [{"role": "user", "content": f"Which river is number {number}?"}],
                "max_tokens": 2,
            },
        }
        for number in range(ROWS)
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file = client.files.create(file=("rows.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )

    def completed() -> int:
        counts = client.batches.retrieve(batch.id).request_counts
        return counts.completed if counts is not None else 0

    site.sluice.wait_for(lambda: completed() >= ROWS // 4, "a quarter of the rows answered")
    assert completed() < ROWS
    site.replicas[1].kill()
    for share in (2, 3, 4):  # each within the patience for one wait
        site.sluice.wait_for(lambda most=share: completed() >= ROWS * most // 4, f"{share}/4 there")
    site.sluice.wait_for(
        lambda: client.batches.retrieve(batch.id).status == "completed", "the batch completed"
    )
    ended = client.batches.retrieve(batch.id)
    lines = client.files.content(ended.output_file_id or "").text.splitlines()
    output = [json.loads(line) for line in lines]
    assert [line["custom_id"] for line in output] == [f"r{number}" for number in range(ROWS)]
    assert all(line["response"]["body"]["choices"] for line in output)
    served = Counter(line["sluice"]["deployment"] for line in output)
    assert set(served) == {"batch-a", "batch-b"}
    assert served["batch-a"] > served["batch-b"]
