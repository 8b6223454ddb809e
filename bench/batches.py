"""How fast a batch runs, and in how much memory. Run: `make bench`, or `python -m bench.batches`.

The same upstream (100 ms an answer, 32 at once) is asked for every row of a batch and, before and
after, by a bare asyncio client with 32 connections (the mean counts). Everything of Sluice (web,
worker, loader, store) has core 0; upstream and client share core 1. Fails (status 1) when a row is
missing, out of order or asked twice, when less than 85 % of the bare client's answers a second
come out, or when a process of the worker ever takes 300 MB. `--quick` is for trying it: 3,000 rows.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import openai
import uvloop

from bench import wire
from bench.accounting import cpu_seconds, family_pids
from bench.children import LOAD_CORE
from bench.gateways import Running, start_upstream
from bench.load import Load, Target, run_load
from bench.sluice_gateway import start_sluice

ROWS, QUICK_ROWS = 100_000, 3_000
BARE_REQUESTS, QUICK_BARE_REQUESTS = 6_400, 1_600
CLIENTS = 32
LEAST_SHARE = 0.85
MOST_BYTES = 300 * 1024 * 1024
LOOK_EVERY_S = 1.0
_local = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured. Rates in answers a second at the upstream; `polls_s`: each poll's time."""

    rows: int
    bare_per_s: float
    batch_per_s: float
    whole_s: float  # from creating the batch to its end
    worker_bytes: int  # the most that one process of the worker ever took
    row_cpu_s: dict[str, float]  # CPU of each process a row, from creation to the end
    asked: int
    in_order: bool
    polls_s: list[float]

    @property
    def share(self) -> float:
        """Of the bare client's rate."""
        return self.batch_per_s / self.bare_per_s


def configuration(upstream_port: int) -> str:
    """One on-prem deployment, rules that look, and limits that leave room for the rows."""
    stays = {"allow_only": {"zone": "on_prem"}}
    rules = [
        {"id": f"{category}-stays", "when": {"category": category}, "then": stays}
        for category in ("health", "payment")
    ]
    deployment = {
        "name": "slow",
        "base_url": f"http://127.0.0.1:{upstream_port}/v1",
        "model": wire.BATCH_MODEL,
        "zone": "on_prem",
    }
    # The first answer is asked for by the usual name.
    plain = {**deployment, "name": "plain", "model": wire.MODEL}
    project = {
        "slug": "bench",
        "grants": ["slow", "plain"],
        "policy": {"kind": "project-policy", "rules": rules},
    }
    return json.dumps(
        {
            "deployments": [deployment, plain],
            "aliases": [
                {"name": wire.BATCH_MODEL, "deployments": ["slow"]},
                {"name": wire.MODEL, "deployments": ["plain"]},
            ],
            "projects": [project],
        }
    )


def input_lines(rows: int) -> Iterator[bytes]:
    """The batch's input: bodies as the bare client sends them, each with a tag of its own."""
    before, after = wire.body_around_tag(model=wire.BATCH_MODEL, prompt_chars=400, chunks=0)
    next_tag = wire.tags()
    for number in range(rows):
        body = msgspec.Raw(before + next_tag().encode() + after)
        row = {"custom_id": f"row-{number}", "method": "POST", "url": wire.CHAT_PATH, "body": body}
        yield msgspec.json.encode(row) + b"\n"


class _Stats(msgspec.Struct):
    requests: int
    slow: int
    first_s: float
    last_s: float


def _stats(port: int) -> _Stats:
    with _local.open(f"http://127.0.0.1:{port}/stats", timeout=10) as answer:
        return msgspec.json.decode(answer.read(), type=_Stats)


async def _bare(folder: Path, requests: int) -> float:
    """Answers a second, of an upstream of its own."""
    upstream, port = await start_upstream(folder, core=LOAD_CORE, python=sys.executable)
    try:
        load = Load(clients=CLIENTS, seconds=600.0, requests=requests, model=wire.BATCH_MODEL)
        sample = await run_load(Target(port=port), load)
    finally:
        upstream.stop()
    if sample.correct != requests:
        raise SystemExit(f"the bare client: {sample.correct} of {requests}: {sample.errors}")
    return sample.correct / sample.elapsed_s


def _peak_bytes(running: Running) -> int:
    """The most that one process of the worker has ever taken, as the kernel keeps it."""
    found = [0]
    for pid in family_pids(running.children["worker"].pid):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found += [
            int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")
        ]
    return max(found)


def _cpu_seconds(running: Running) -> dict[str, float]:
    return {name: cpu_seconds(child.pid) for name, child in running.children.items()}


def _run_batch(running: Running, upstream_port: int, folder: Path, rows: int) -> Result:
    client = openai.OpenAI(
        base_url=f"http://127.0.0.1:{running.target.port}/v1", api_key=running.target.key
    )
    path = folder / "rows.jsonl"
    with path.open("wb") as written:
        written.writelines(input_lines(rows))
    file = client.files.create(file=path, purpose="batch")
    before = _stats(upstream_port).requests
    cpu_before = _cpu_seconds(running)
    began = time.perf_counter()
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    peak, polls = 0, []
    while batch.status in {"validating", "in_progress", "finalizing"}:
        time.sleep(LOOK_EVERY_S)  # noqa: TID251 -- what a client does
        asked_at = time.perf_counter()
        batch = client.batches.retrieve(batch.id)
        polls.append(time.perf_counter() - asked_at)
        peak = max(peak, _peak_bytes(running))
    whole_s = time.perf_counter() - began
    cpu = _cpu_seconds(running)
    row_cpu_s = {name: (cpu[name] - cpu_before[name]) / rows for name in cpu}
    stats = _stats(upstream_port)
    if batch.status != "completed":
        raise SystemExit(f"the batch is {batch.status}: {batch.errors}")
    lines = client.files.content(batch.output_file_id or "").iter_lines()
    ids = [msgspec.json.decode(line, type=dict[str, msgspec.Raw])["custom_id"] for line in lines]
    return Result(
        rows=rows,
        bare_per_s=float("nan"),
        batch_per_s=(rows - 1) / (stats.last_s - stats.first_s),
        whole_s=whole_s,
        worker_bytes=peak,
        row_cpu_s=row_cpu_s,
        asked=stats.requests - before,
        in_order=[bytes(each) for each in ids] == [b'"row-%d"' % n for n in range(rows)],
        polls_s=polls,
    )


async def _measure(rows: int, bare_requests: int) -> Result:
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as made:
        folder = Path(made)
        before = await _bare(folder, bare_requests)
        upstream, port = await start_upstream(folder, core=LOAD_CORE, python=sys.executable)
        try:
            running = await start_sluice(port, folder, configuration=configuration, worker=True)
            try:
                result = await asyncio.to_thread(_run_batch, running, port, folder, rows)
            finally:
                running.stop()
        finally:
            upstream.stop()
        after = await _bare(folder, bare_requests)
    return replace(result, bare_per_s=(before + after) / 2)


def verdicts(result: Result) -> list[tuple[bool, str]]:
    """What must hold, and whether it does."""
    mib = result.worker_bytes / 1024**2
    return [
        (result.in_order, f"each of {result.rows:,} rows is in the output once, in input order"),
        (result.asked == result.rows, f"the upstream was asked {result.asked:,} times"),
        (
            result.share >= LEAST_SHARE,
            f"{result.batch_per_s:.0f} rows/s are {result.share:.0%} of a bare client's "
            f"{result.bare_per_s:.0f}",
        ),
        (
            result.worker_bytes < MOST_BYTES,
            f"no process of the worker took more than {mib:.0f} MiB",
        ),
    ]


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m bench.batches", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows")
    parser.add_argument("--rows", type=int, help=f"how many rows ({ROWS:,})")
    given = parser.parse_args()
    rows = given.rows or (QUICK_ROWS if given.quick else ROWS)
    os.sched_setaffinity(0, {LOAD_CORE})
    bare_requests = QUICK_BARE_REQUESTS if given.quick else BARE_REQUESTS
    result = uvloop.run(_measure(rows, bare_requests))
    polls = sorted(result.polls_s)
    sys.stdout.write(
        f"A batch of {rows:,} rows: {result.whole_s:.0f} s from creation to its end; a progress "
        f"poll takes {polls[len(polls) // 2] * 1000:.0f} ms (median of {len(polls)}).\n"
        f"CPU a row: {sum(result.row_cpu_s.values()) * 1e6:.0f} µs, of these "
        + ", ".join(f"{name} {cpu_s * 1e6:.0f}" for name, cpu_s in result.row_cpu_s.items())
        + ".\n\n"
    )
    judged = verdicts(result)
    for holds, text in judged:
        sys.stdout.write(f"- {'holds' if holds else 'MISSED'}: {text}\n")
    if not all(holds for holds, _ in judged):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
