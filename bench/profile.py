"""Where Sluice's web process spends its time. Run: `python -m bench.profile`.

Starts Sluice as `bench.run` does, with cProfile in the web process, sends requests, and prints
the functions that took longest. Startup and warm-up are left out. cProfile makes small functions
look dearer than they are: compare shares, take absolute numbers from `bench.run`.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import signal
import sys
import tempfile
from pathlib import Path

import uvicorn
import uvloop

from bench.children import LOAD_CORE
from bench.gateways import start_upstream
from bench.load import Load, run_load
from bench.sluice_gateway import start_sluice
from bench.wire import MODEL, SLOW_MODEL

_INSIDE = "--inside"
_BEGIN, _END = signal.SIGUSR1, signal.SIGUSR2


def serve_profiled(output: str, command: list[str]) -> None:
    """Inside the web process: serve as `command` (`PYTHON -m uvicorn …`) says. The first signal
    begins the profile, the second ends it and writes it to `output`."""
    profile = cProfile.Profile()

    def end(*_: object) -> None:
        profile.disable()
        profile.dump_stats(output + ".part")
        Path(output + ".part").rename(output)

    signal.signal(_BEGIN, lambda *_: profile.enable())
    signal.signal(_END, end)
    uvicorn.main(args=command[3:])


async def _profile(given: argparse.Namespace, output: Path, folder: Path) -> int:
    upstream, port = await start_upstream(folder, core=LOAD_CORE, python=sys.executable)
    prefix = [sys.executable, "-m", "bench.profile", _INSIDE, str(output)]
    try:
        running = await start_sluice(port, folder, web_prefix=prefix)
        try:
            web = running.children["web"]
            await run_load(running.target, Load(clients=given.clients, seconds=1.0))
            os.kill(web.pid, _BEGIN)
            sample = await run_load(
                running.target,
                Load(
                    clients=given.clients,
                    seconds=60.0,
                    requests=given.requests,
                    prompt_chars=given.prompt_chars,
                    chunks=given.chunks,
                    model=given.model,
                ),
            )
            os.kill(web.pid, _END)
            for _ in range(500):
                if output.exists():  # noqa: ASYNC240 - one look, on a local disk
                    break
                await asyncio.sleep(0.02)
        finally:
            running.stop()
    finally:
        upstream.stop()
    sys.stdout.write(f"sent {sample.sent}, correct {sample.correct}, {dict(sample.errors)}\n")
    return sample.sent


def _print(output: Path, *, sent: int, lines: int) -> None:
    stats = pstats.Stats(str(output))
    stats.strip_dirs()
    total_us = stats.get_stats_profile().total_tt / max(sent, 1) * 1e6
    sys.stdout.write(f"{total_us:.0f} µs per request under the profiler\n")
    stats.sort_stats(pstats.SortKey.TIME).print_stats(lines)
    stats.sort_stats(pstats.SortKey.CUMULATIVE).print_stats(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--prompt-chars", type=int, default=400)
    parser.add_argument("--chunks", type=int, default=0, help="streamed chunks; 0: not streamed")
    parser.add_argument("--model", default=MODEL, choices=[MODEL, SLOW_MODEL])
    parser.add_argument("--lines", type=int, default=45, help="functions to print")
    parser.add_argument("--keep", type=Path, help="also write the raw profile here")
    return parser.parse_args()


def main() -> None:
    """Profile and print."""
    if sys.argv[1:2] == [_INSIDE]:
        serve_profiled(sys.argv[2], sys.argv[3:])
        return
    given = _arguments()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as made:
        output = Path(made) / "web.profile"
        sent = uvloop.run(_profile(given, output, Path(made)))
        if given.keep:
            given.keep.write_bytes(output.read_bytes())
        _print(output, sent=sent, lines=given.lines)


if __name__ == "__main__":
    main()
