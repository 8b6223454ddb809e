"""The random search as a command.

    python -m tests.gateway.inference.search                     all 100,000 cases
    python -m tests.gateway.inference.search --first 40000       resume there
    python -m tests.gateway.inference.search --share 5           today's fifth of them
    python -m tests.gateway.inference.search --processes 2       on two cores
    python -m tests.gateway.inference.search --first 4711 --cases 1

A case is drawn from its number alone, so a number that failed can be run again by itself. Exits
with 1 when anything forbidden arrived, or when too few cases reached the cloud to say much.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from multiprocessing import get_context

from tests.gateway.inference.search.case import Case, Tally
from tests.gateway.inference.search.running import run_cases

ALL = 100_000
STEP = 2_400
LEAST_IN_CLOUD = 0.3


def window(shares: int, today: date) -> tuple[int, int]:
    """The first case and the number of cases of today's share: each day another one."""
    size = ALL // shares
    return today.toordinal() % shares * size, size


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.gateway.inference.search")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--share", type=int, metavar="N", help="one Nth of all, another each day")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    first, count = options.first, options.cases or ALL - options.first
    if options.share:
        first, count = window(options.share, datetime.now(UTC).date())
    steps = [
        range(start, min(start + STEP, first + count))
        for start in range(first, first + count, STEP)
    ]
    total = Tally()
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for step, tally in zip(steps, pool.map(run_cases, steps), strict=True):
            total.cases += tally.cases
            total.seen += tally.seen
            total.wrong += tally.wrong
            for line in tally.wrong:
                sys.stdout.write(f"WRONG {line}\n")
            sys.stdout.write(
                f"to {step.stop}: {len(total.wrong)} wrong, "
                f"{total.reached_cloud:.0%} reached the cloud\n"
            )
            sys.stdout.flush()
    for name, times in sorted(total.seen.items()):
        sys.stdout.write(f"  {name}: {times}\n")
    if count == 1:
        sys.stdout.write(f"{Case.drawn(first)}\n")
    enough = count < STEP or total.reached_cloud >= LEAST_IN_CLOUD
    return 0 if enough and not total.wrong else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
