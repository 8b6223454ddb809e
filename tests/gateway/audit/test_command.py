"""`manage.py audit` as real processes on one SQLite file: competition, kills, a busy database."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from gateway.audit.journal import FileJournal

ROOT = Path(__file__).resolve().parents[3]


def manage(var: Path, *words: str) -> list[str]:
    """The command line of `manage.py`, on the embedded default under `var`."""
    environment = ["env", "-u", "DATABASE_URL", f"SLUICE_VAR={var}"]
    return [*environment, sys.executable, str(ROOT / "manage.py"), *words]


def done(var: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        manage(var, *words), check=False, capture_output=True, text=True, cwd=ROOT, timeout=60
    )


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory whose database has the audit tables."""
    var = tmp_path_factory.mktemp("var")
    result = done(var, "migrate", "-v", "0", "--skip-checks")
    assert result.returncode == 0, result.stderr
    return var


@pytest.fixture
def var(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(migrated, tmp_path / "var"))


def count(var: Path, what: str = "COUNT(*)") -> int:
    with closing(sqlite3.connect(var / "sluice.sqlite3", timeout=20)) as database:
        [[number]] = database.execute(f"SELECT {what} FROM audit_requestrecord")  # noqa: S608
        return int(number)


def fill(var: Path, writing: ModuleType, *, requests: int) -> str:
    journal = FileJournal(var / "journal", segment_bytes=200_000)
    for number in range(1, requests + 1):
        journal.append(writing.decision(number))
        journal.append(writing.outcome(number))
    journal.close()
    return journal.writer.id


def start_loader(var: Path) -> "subprocess.Popen[bytes]":
    """A loader that is up: it heeds signals and is about to ask for the lease."""
    loader = subprocess.Popen(manage(var, "audit", "load"), cwd=ROOT, stdout=subprocess.PIPE)
    assert loader.stdout is not None
    with loader.stdout as said:
        assert said.readline().startswith(b"ready to load")
    return loader


def wait_until(met: Callable[[], bool]) -> None:
    """Polls until it is met; the test's own time limit is the end of patience."""
    pause = threading.Event()
    while not met():
        pause.wait(0.02)


@pytest.mark.timeout(60)
def test_two_loaders_compete_and_each_record_is_there_once(var: Path, writing: ModuleType) -> None:
    loaders = [start_loader(var) for _ in range(2)]
    writer = fill(var, writing, requests=1500)
    journals = [FileJournal(var / "journal") for _ in range(2)]
    for number in range(5000, 5200):
        journals[number % 2].append(writing.decision(number))
    for journal in journals:
        journal.close()
    wait_until(lambda: count(var) == 1700 and not list((var / "journal").glob("*.jsonl")))
    for loader in loaders:
        loader.send_signal(signal.SIGTERM)
    assert [loader.wait() for loader in loaders] == [0, 0]
    assert count(var, "COUNT(DISTINCT decision_id)") == 1700
    assert count(var, "COUNT(outcome_seq)") == 1500
    assert writer
    result = done(var, "audit", "verify")
    assert result.returncode == 0, result.stderr


@pytest.mark.timeout(60)
def test_a_loader_killed_within_its_work_leaves_each_record_once(
    var: Path, writing: ModuleType
) -> None:
    fill(var, writing, requests=6000)
    loader = start_loader(var)
    wait_until(lambda: count(var) > 0)
    loader.kill()
    loader.wait()
    left = 12000 - count(var) - count(var, "COUNT(outcome_seq)")
    result = done(var, "audit", "load", "--once")
    assert (result.returncode, count(var)) == (0, 6000), result.stderr
    assert f"{left} records loaded" in result.stdout
    assert count(var, "COUNT(outcome_seq)") == 6000


@pytest.mark.timeout(60)
def test_a_busy_database_delays_the_loader_and_never_the_journal(
    var: Path, writing: ModuleType
) -> None:
    with closing(sqlite3.connect(var / "sluice.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        loader = start_loader(var)
        wait_until((var / "journal" / "loader.lock").exists)
        fill(var, writing, requests=50)
        other.execute("COMMIT")
    wait_until(lambda: count(var) == 50)
    loader.send_signal(signal.SIGINT)
    assert loader.wait() == 0
