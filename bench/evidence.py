"""Measures what the audit promises: events written for a minute, a million verified and searched.

    python -m bench.evidence [--seconds 60] [--rate 1000] [--rows 1000000] [--postgres]

Works in a temporary state directory of its own, on SQLite or on a PostgreSQL of its own. Exits with
1 when a record was lost, when memory grew, or when a figure misses its target: 1,000 requests a
second for a minute with nothing lost and memory flat; a million records verified in under 30 s on
one core; a search over a million requests, and one over as many changes, in under a second.
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
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.journal import records, set_up  # noqa: E402
from gateway.audit.journal import FileJournal  # noqa: E402
from tests.support import servers  # noqa: E402

VERIFY_S = 30.0
SEARCH_S = 1.0
GROWTH_KIB = 16 * 1024
_CHANGES_AT_ONCE = 10_000
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
        [
            *(sys.executable, "-m", "bench.evidence", "--load", str(var)),
            *("--database", database, "--seconds", str(seconds)),
        ],
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
                peak = peak_kib()
            pause.wait(0.002)
    finally:
        journal.close()
        loader.terminate()
        if loader.wait(120):
            _problems.append("the loader says what")
    grown = peak_kib() - peak
    judge(number >= 0.98 * rate * seconds, f"{number:,} requests in {seconds:.0f} s")
    judge(grown < GROWTH_KIB, f"the writer's memory grew by {grown:,} KiB since a quarter")
    return number


def peak_kib() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def load_until_told(var: Path, *, seconds: float) -> None:
    """As `manage.py audit load` does, until SIGTERM; says how its memory grew since a quarter."""
    import signal  # noqa: PLC0415

    from gateway.audit import loader  # noqa: PLC0415 -- after Django

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    peaks: list[int] = []
    quarter = threading.Timer(seconds / 4, lambda: peaks.append(peak_kib()))
    quarter.start()
    loader.run(var / "journal", stop=stop)
    quarter.cancel()
    peak, last = (peaks or [0])[0], peak_kib()
    judge(last - peak < GROWTH_KIB, f"the loader's memory grew by {last - peak:,} to {last:,} KiB")


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


def fill_changes(rows: int) -> None:
    """A million changes beside the requests: raw rows, since only the search is measured."""
    from django.db import connection  # noqa: PLC0415

    from gateway.audit.models import AuditEvent  # noqa: PLC0415

    first = (AuditEvent.objects.order_by("-seq").values_list("seq", flat=True).first() or 0) + 1
    names = "seq, prev_hash, hash, body, at, actor, type, project, object_type, object_id, details"
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    kinds = ("user.logged_in", "key.created", "key.revoked", "policy.published", "grant.added")
    zeros = "0" * 64
    for start in range(first, rows, _CHANGES_AT_ONCE):
        values = [
            (
                *(seq, zeros, zeros, "{}", begin + timedelta(seconds=seq)),
                *(f"user:{seq % 500}", kinds[seq % 5], f"p{seq % 40}", "key", f"k{seq % 9000}"),
                "{}",
            )
            for seq in range(start, min(start + _CHANGES_AT_ONCE, rows))
        ]
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {AuditEvent._meta.db_table} ({names})"  # noqa: S608 - names
                f" VALUES ({', '.join(['%s'] * 11)})",
                values,
            )
    with connection.cursor() as cursor:  # as autovacuum does by and by
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def search_changes(rows: int) -> None:
    """Who changed what, when: common, rare, and never."""
    from gateway.audit.event_search import EventSearch, search_events  # noqa: PLC0415

    questions = {
        "the newest changes": EventSearch(),
        "a person who changed nothing": EventSearch(actor="user:nobody"),
        "a type in one project, by one person": EventSearch(
            types=("key.revoked",), projects=("p7",), actor="user:7"
        ),
        "one key": EventSearch(object_type="key", object_id="k17"),
        "before there was anything": EventSearch(until=datetime(2020, 1, 1, tzinfo=UTC)),
    }
    for name, question in questions.items():
        search_events(question)
        wall, _ = timed(lambda question=question: search_events(question))  # type: ignore[misc]
        judge(wall < SEARCH_S, f"{wall * 1000:.0f} ms: {name}, over {rows:,} changes")


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
        load_until_told(given.load, seconds=given.seconds)
        return 1 if _problems else 0
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
        fill_changes(rows)
        search_changes(rows)
    return 1 if _problems else 0


if __name__ == "__main__":
    sys.exit(main())
