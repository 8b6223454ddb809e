"""Measures what the audit promises: events written for a minute, a million verified and searched.

    python -m bench.evidence [--seconds 60] [--rate 1000] [--rows 1000000] [--postgres]

Works in a temporary state directory of its own, on SQLite or on a PostgreSQL of its own. Exits with
1 when a record was lost, when memory grew, or when a figure misses its target: 1,000 requests a
second for a minute with nothing lost and memory flat; a million records verified in under 30 s on
one core; a search over a million requests in under a second.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.journal import records, set_up  # noqa: E402
from gateway.audit.journal import FileJournal  # noqa: E402
from tests.support import servers  # noqa: E402

VERIFY_S = 30.0
SEARCH_S = 1.0
GROWTH_KIB = 16 * 1024
_problems: list[str] = []


def say(text: str) -> None:
    """One line of the report."""
    print(text, flush=True)  # noqa: T201


def judge(met: bool, text: str) -> None:
    """One line, and whether it counts against the run."""
    say(f"{'holds ' if met else 'MISSED'} {text}")
    if not met:
        _problems.append(text)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def write(var: Path, *, seconds: float, rate: int, database: str) -> int:
    """Write `rate` requests a second beside a loader in a process of its own; returns how many."""
    loader = subprocess.Popen(  # noqa: S603 -- this module
        [sys.executable, "-m", "bench.evidence", "--load", str(var), "--database", database],
        cwd=ROOT,
    )
    journal = FileJournal(var / "journal")
    pause, began, number, peak = threading.Event(), time.perf_counter(), 0, 0
    try:
        while (elapsed := time.perf_counter() - began) < seconds:
            while number < elapsed * rate:
                for record in records(number):
                    journal.append(record)
                number += 1
            if not peak and elapsed > seconds / 4:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            pause.wait(0.002)
    finally:
        journal.close()
        loader.terminate()
        loader.wait(120)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    judge(number >= 0.98 * rate * seconds, f"{number:,} requests in {seconds:.0f} s")
    judge(grown < GROWTH_KIB, f"the writer's memory grew by {grown:,} KiB since a quarter")
    return number


def load_until_told(var: Path) -> None:
    """As `manage.py audit load` does, until SIGTERM; says how its memory grew."""
    import signal  # noqa: PLC0415

    from gateway.audit import loader  # noqa: PLC0415 -- after Django

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    loader.run(var / "journal", stop=stop)


def count_all(expected: int) -> None:
    """Whether every request that was written is in the database, whole."""
    from gateway.audit.models import OutcomeState, RequestRecord  # noqa: PLC0415

    whole = RequestRecord.objects.filter(outcome_state=OutcomeState.KNOWN).count()
    judge(whole == expected, f"{whole:,} of {expected:,} requests are in the database, whole")


def fill(var: Path, *, first: int, rows: int) -> None:
    """More requests, as fast as they load."""
    from gateway.audit.loader import Loader  # noqa: PLC0415

    loader = Loader(var / "journal")
    if not loader.lease.acquire():
        raise SystemExit("the lease is taken")
    journal = FileJournal(var / "journal")
    for number in range(first, rows):
        for record in records(number):
            journal.append(record)
        if number % 20_000 == 0:
            loader.load()
    journal.close()
    loader.load()
    loader.lease.release()


def verify_all(var: Path, *, records_expected: int) -> None:
    """Walk every chain on one core, and hold it against the heads."""
    from gateway.audit.verify import verify  # noqa: PLC0415

    found = []
    _, cpu = timed(lambda: found.append(verify(var / "journal")))
    [report] = found
    judge(not report.breaks, f"{report.records:,} records verify")
    judge(report.records == records_expected, f"{records_expected:,} records are expected")
    per_million = cpu / report.records * 1_000_000
    judge(per_million < VERIFY_S, f"{per_million:.1f} CPU s for a million records")


def search_all(rows: int) -> None:
    """The slowest kinds of search: rare or absent, so that everything is looked at."""
    from gateway.audit.search import Search, search  # noqa: PLC0415

    questions = {
        "the newest": Search(),
        "a zone that nothing went to": Search(zone="cloud"),
        "a person who never asked": Search(actor="user:nobody"),
        "a category that was never found": Search(category="health"),
        "a class in one project": Search(projects=("demo",), data_class="IBAN"),
    }
    for name, question in questions.items():
        search(question)
        wall, _ = timed(lambda question=question: search(question))  # type: ignore[misc]
        judge(wall < SEARCH_S, f"{wall * 1000:.0f} ms: {name}, over {rows:,} requests")


def main() -> int:
    """Run, or be the loader of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="needs Debian's postgresql")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--database", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        set_up(given.load, migrate=False, database=given.database)
        load_until_told(given.load)
        return 0
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (var / "journal").mkdir(mode=0o700)
        if given.postgres:
            given.database = stack.enter_context(servers.postgres()).new_database()
        set_up(var, database=given.database)
        written = write(var, seconds=given.seconds, rate=given.rate, database=given.database)
        fill(var, first=written, rows=max(given.rows, written))
        rows = max(given.rows, written)
        count_all(rows)
        verify_all(var, records_expected=2 * rows)
        search_all(rows)
    return 1 if _problems else 0


if __name__ == "__main__":
    sys.exit(main())
