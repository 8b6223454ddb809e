"""A batch of 2,000 rows on two real vLLM servers, of which one is killed midway."""

from collections import Counter
from threading import Event
from time import monotonic
from typing import Any

import msgspec
import pytest
from openai.types import Batch

from tests.live.conftest import REPLICAS, Live

pytestmark = [pytest.mark.live, pytest.mark.large]

ROWS = 2000
KILL_AFTER = 500
MOST_AT_ONCE = 64  # rows that one deployment is ever sent side by side
PATIENCE_S = 240.0


def _rows() -> bytes:
    return b"".join(
        msgspec.json.encode(
            {
                "custom_id": f"row-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": "llama",
                    "messages": [{"role": "user", "content": f"Which river is number {number}?"}],
                    "max_tokens": 2,
                },
            }
        )
        + b"\n"
        for number in range(ROWS)
    )


def _begun(live: Live) -> Batch:
    file = live.client.files.create(file=("rows.jsonl", _rows()), purpose="batch")
    return live.client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


def _until(live: Live, batch: Batch, *, completed: int) -> Batch:
    """Until so many rows were answered, or the batch has ended."""
    deadline = monotonic() + PATIENCE_S
    while True:
        batch = live.client.batches.retrieve(batch.id)
        assert batch.request_counts is not None
        if batch.status == "completed" or batch.request_counts.completed >= completed:
            return batch
        assert batch.status in {"validating", "in_progress", "finalizing"}, batch.errors
        assert monotonic() < deadline, f"{batch.status}: {batch.request_counts}"
        Event().wait(0.2)


def _results(live: Live, batch: Batch) -> list[dict[str, Any]]:
    content = live.client.files.content(batch.output_file_id or "").read()
    return [msgspec.json.decode(line) for line in content.splitlines()]


def test_every_row_ends_once_when_a_replica_dies_midway(live: Live) -> None:
    first, second = live.replicas
    second.revive()
    served_before = first.metric("request_success_total")
    batch = _begun(live)
    batch = _until(live, batch, completed=KILL_AFTER)
    second.kill()
    assert batch.request_counts is not None
    assert batch.request_counts.completed < ROWS
    batch = _until(live, batch, completed=ROWS + 1)

    counts = batch.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (ROWS, ROWS, 0)
    assert batch.error_file_id is None
    results = _results(live, batch)
    assert [line["custom_id"] for line in results] == [f"row-{number}" for number in range(ROWS)]
    assert all(line["response"]["body"]["choices"] for line in results)

    served = Counter(line["sluice"]["deployment"] for line in results)
    assert set(served) == set(REPLICAS)
    assert served[second.name] >= KILL_AFTER / 10
    # Who had been sent to the one that died went to the other, and nobody was asked twice there.
    assert first.metric("request_success_total") - served_before == served[first.name]
    # A connection that was refused reached nobody; one that broke may have been answered.
    again = [line["sluice"] for line in results if line["sluice"]["attempts"]]
    broke = [
        each for each in again if f"{second.name} on_prem connect_failed" not in each["attempts"]
    ]
    print(f"{len(broke)} of {ROWS} rows may have been answered twice, {dict(served)}")  # noqa: T201
    assert all(second.name in each["attempts"] for each in again)
    assert len(broke) <= MOST_AT_ONCE
