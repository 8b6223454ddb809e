"""Measures the audit path: µs per append, per row loaded, per record verified.

    python bench/journal.py [REQUESTS]

Works in a temporary state directory of its own (SQLite), on two records per request.
"""

import gc
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway.audit.journal import FileJournal  # noqa: E402
from gateway.audit.records import DecisionRecord, OutcomeRecord  # noqa: E402


def records(number: int) -> tuple[DecisionRecord, OutcomeRecord]:
    """A decision and its outcome, of an ordinary size (700 and 270 bytes)."""
    id_ = f"d_{number:016x}"
    decision = DecisionRecord(
        id=id_,
        request_id=f"req_{number:016x}",
        at=1_750_000_000.0123 + number / 3000,
        project="demo",
        actor="user:0123456789abcdef",
        key_prefix="sk-abcd",
        endpoint="chat.completions",
        alias="auto",
        size_bytes=512,
        digest="a" * 64,
        sensitivity="internal",
        categories=["code"],
        classes={"EMAIL_ADDRESS": 1},
        decision="allowed",
        revision="b" * 64,
        rules=["organisation:health-stays"],
        candidates=["llama", "claude"],
        dropped=[["gpt", "cloud", "clearance", ""]],
    )
    outcome = OutcomeRecord(
        id=id_,
        at=1_750_000_000.0623 + number / 3000,
        status=200,
        deployment="llama",
        zone="on_prem",
        model="llama-3",
        attempts=[["llama", "on_prem", "ok"]],
        prompt_tokens=7,
        completion_tokens=9,
        duration_ms=12,
    )
    return decision, outcome


def report(what: str, began: tuple[float, float], count: int) -> None:
    """Print wall and CPU µs for each of `count`."""
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    print(f"{what:28} {wall / count * 1e6:8.1f} µs  {cpu / count * 1e6:8.1f} CPU µs")  # noqa: T201


def now() -> tuple[float, float]:
    """Wall and CPU seconds."""
    return time.perf_counter(), time.process_time()


def set_up(var: Path, *, migrate: bool = True, database: str = "") -> None:
    """Django with the audit alone, on SQLite under `var` or on the PostgreSQL at that URL."""
    import dj_database_url  # noqa: PLC0415
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    embedded = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": var / "sluice.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }
    settings.configure(
        DATABASES={"default": dj_database_url.parse(database) if database else embedded},
        VAR_DIR=var,
        JOURNAL_DIR=var / "journal",
        INSTALLED_APPS=["gateway.audit"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    if migrate:
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)


def measure(var: Path, requests: int) -> None:
    """Append, load and verify under `var`."""
    prepared = [records(number) for number in range(requests)]
    journal = FileJournal(var / "journal")
    began = now()
    for decision, outcome in prepared:
        journal.append(decision)
        journal.append(outcome)
    report("append, a record", began, 2 * requests)
    journal.close()

    set_up(var)
    from gateway.audit.loader import Loader  # noqa: PLC0415
    from gateway.audit.verify import verify  # noqa: PLC0415

    loader = Loader(var / "journal")
    if not loader.lease.acquire():
        raise SystemExit("the lease is taken")
    gc.freeze()  # as `manage.py audit load` does
    gc.set_threshold(50_000, 20, 20)
    began = now()
    loader.load()
    report("load, a row (two records)", began, requests)
    began = now()
    outcome_report = verify(var / "journal")
    report("verify, a record", began, 2 * requests)
    if outcome_report.breaks or outcome_report.records != 2 * requests:
        raise SystemExit(f"lost or broken: {outcome_report}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        measure(Path(place), int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
