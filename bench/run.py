"""Compares gateways on this machine in one go. Run: `make bench`, or `python -m bench.run`.

Rounds are interleaved: in each round every gateway is started afresh, alone, on core 0, taken
through all phases and stopped; upstream and load generator share core 1. Prints a Markdown table
to standard output and writes everything to `var/bench/`. Fails (status 1) when Sluice lost or
garbled an answer or its audit does not hold exactly one decision per request; speed alone never
fails it.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvloop

from bench import sluice_config
from bench.accounting import machine
from bench.children import LOAD_CORE, ChildFailed
from bench.gateways import (
    ROOT,
    NotInstalled,
    Start,
    start_direct,
    start_litellm,
    start_nginx,
    start_upstream,
)
from bench.measure import GatewayResult, measure
from bench.report import LITELLM, NGINX, SLUICE, SLUICE_ALL, SLUICE_MASKED, table, verdicts
from bench.sluice_gateway import start_sluice

GATEWAYS: dict[str, Start] = {
    "direct": start_direct,
    NGINX: start_nginx,
    LITELLM: start_litellm,
    SLUICE: start_sluice,
    SLUICE_ALL: functools.partial(start_sluice, configuration=sluice_config.all_layers),
    SLUICE_MASKED: functools.partial(start_sluice, configuration=sluice_config.masked),
}
FULL_SECONDS = 3.0
QUICK_SECONDS = 1.2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short round, under two minutes in all"
    )
    parser.add_argument("--rounds", type=int, help="how often each gateway is measured (3)")
    parser.add_argument("--seconds", type=float, help="length of a phase (3)")
    parser.add_argument("--only", default="", help=f"a comma list of {', '.join(GATEWAYS)}")
    return parser.parse_args()


def _chosen(only: str) -> list[str]:
    names = [name.strip() for name in only.split(",") if name.strip()] or list(GATEWAYS)
    for name in names:
        if name not in GATEWAYS:
            raise SystemExit(f"--only: {name!r} is none of {', '.join(GATEWAYS)}")
    return names


async def _one(name: str, *, seconds: float) -> GatewayResult:
    """One gateway, started afresh in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as made:
        folder = Path(made)
        upstream, port = await start_upstream(folder, core=LOAD_CORE, python=sys.executable)
        try:
            running = await GATEWAYS[name](port, folder)
            try:
                return await measure(name, running, seconds=seconds)
            finally:
                running.stop()
        finally:
            upstream.stop()


async def _all(names: list[str], *, rounds: int, seconds: float) -> dict[str, list[GatewayResult]]:
    results: dict[str, list[GatewayResult]] = {name: [] for name in names}
    for number in range(1, rounds + 1):
        for name in names:
            sys.stderr.write(f"round {number} of {rounds}: {name}\n")
            try:
                results[name].append(await _one(name, seconds=seconds))
            except NotInstalled as error:
                sys.stderr.write(f"  left out: {error}\n")
            except ChildFailed as error:
                raise SystemExit(f"{name}: {error}") from error
    return {name: found for name, found in results.items() if found}


def _write(results: dict[str, list[GatewayResult]], *, rounds: int, seconds: float) -> Path:
    now = datetime.now(UTC)
    path = ROOT / "var/bench" / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "at": now,
        "machine": machine(),
        "python": sys.version.split()[0],
        "rounds": rounds,
        "seconds_per_phase": seconds,
        "results": {name: [asdict(result) for result in found] for name, found in results.items()},
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2))
    return path


def main() -> None:
    """Measure, print, write, judge."""
    given = _arguments()
    names = _chosen(given.only)
    rounds = given.rounds or (1 if given.quick else 3)
    seconds = given.seconds or (QUICK_SECONDS if given.quick else FULL_SECONDS)
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("The bench needs two cores: one for the gateway, one for the load.")
    os.sched_setaffinity(0, {LOAD_CORE})
    began = time.monotonic()
    results = uvloop.run(_all(names, rounds=rounds, seconds=seconds))
    path = _write(results, rounds=rounds, seconds=seconds)
    judged = verdicts(results)
    sys.stdout.write(table(results) + "\n\n")
    for verdict in judged:
        sys.stdout.write(f"- {'holds' if verdict.holds else 'MISSED'}: {verdict.text}\n")
    sys.stderr.write(f"{time.monotonic() - began:.0f} s; details in {path.relative_to(ROOT)}\n")
    if any(verdict.must and not verdict.holds for verdict in judged):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
