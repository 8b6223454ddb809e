"""`kill -9` of the worker, the web process and the store, twenty times in one batch."""

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.batches.conftest import make_key
from tests.e2e.batches.counting import CountingUpstream
from tests.e2e.batches.parts import Parts
from tests.e2e.batches.rows import begin, chat_row, jsonl, wait_for_end
from tests.support.sluice import Sluice

pytestmark = pytest.mark.slow

ROWS = 2000
KILLS = ["worker"] * 8 + ["web"] * 6 + ["store"] * 6
CONFIG = """
deployments:
  - {{name: llama, base_url: "{url}", model: tiny-llama, zone: on_prem}}
aliases:
  - {{name: private, deployments: [llama]}}
projects:
  - {{slug: lab, grants: [llama]}}
"""


@pytest.fixture
def upstream() -> Iterator[CountingUpstream]:
    with CountingUpstream() as server:
        yield server


@pytest.fixture
def sluice(tmp_path: Path, upstream: CountingUpstream) -> Iterator[Sluice]:
    """Prepared and stopped again: its processes are the test's to start."""
    var = tmp_path / "var"
    var.mkdir()
    made = Sluice(var, demo=False)
    try:
        made.start()
        made.apply(CONFIG.format(url=upstream.base_url))
    finally:
        made.stop()
    yield made
    made.stop()


def test_twenty_kills_lose_no_row_and_write_none_twice(
    sluice: Sluice, upstream: CountingUpstream, capsys: pytest.CaptureFixture[str]
) -> None:
    key = make_key(sluice, "--project", "lab", "--service", "e2e")
    server = upstream.server
    seed = os.urandom(4).hex()
    chance = random.Random(seed)  # noqa: S311 -- named when it fails
    order = chance.sample(KILLS, len(KILLS))
    exposed = 0  # rows that a worker had asked for and not stored the answer of when it died
    before: Counter[str] = Counter()  # calls when the worker that runs began
    with Parts(sluice) as parts:
        sluice.wait_ready()
        client = sluice.client(key)
        begun = begin(
            client,
            jsonl([chat_row(f"r{n}", f"row {n}", model="private") for n in range(ROWS)]),
        )
        for part in order:
            goal = server.answered + chance.randint(20, 90)
            sluice.wait_for(
                lambda goal=goal: server.answered >= goal and server.in_flight > 0,
                f"rows in flight before the {part} is killed (seed {seed})",
            )
            assert server.in_flight > 0, f"nothing in flight (seed {seed})"
            parts.kill(part)
            if part == "worker":
                asked = {text for text, count in server.calls.items() if count > before[text]}
                exposed += len(asked - stored(sluice))
                before = server.calls.copy()
            parts.start(part)
        sluice.wait_ready()
        ended = wait_for_end(sluice, client, begun.id)

    assert ended.batch.status == "completed", (seed, ended.batch)
    assert [line["custom_id"] for line in ended.output] == [f"r{n}" for n in range(ROWS)]
    assert ended.errors == []
    counts = ended.batch.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (ROWS, ROWS, 0)
    _assert_each_call_is_accounted_for(server.calls, ended.output, exposed=exposed, seed=seed)
    with capsys.disabled():
        again = sum(server.calls.values()) - ROWS
        print(f" [{len(order)} kills: {again} rows asked twice, {exposed} were in flight]")  # noqa: T201


def stored(sluice: Sluice) -> set[str]:
    """The texts of the rows whose answer is kept."""
    with closing(sqlite3.connect(f"file:{sluice.var}/sluice.sqlite3?mode=ro", uri=True)) as opened:
        rows = opened.execute("SELECT \"index\" FROM batches_batchrow WHERE state = 'completed'")
        return {f"row {index}" for (index,) in rows}


def _assert_each_call_is_accounted_for(
    calls: Counter[str], output: list[dict[str, Any]], *, exposed: int, seed: str
) -> None:
    assert set(calls) == {f"row {n}" for n in range(ROWS)}
    asked_again = sum(calls.values()) - ROWS
    assert asked_again <= exposed, seed
    said = {line["custom_id"] for line in output if line["sluice"]["earlier_attempt_lost"]}
    # Whatever was paid for twice says that it may have been.
    assert {f"r{n}" for n in range(ROWS) if calls[f"row {n}"] > 1} <= said
    assert len(said) <= exposed + 128 * KILLS.count("worker"), seed  # leased, and maybe sent
