"""The measurement of the audit's promises runs, and loses nothing; its figures are for `bench`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_is_written_beside_a_loader_is_all_there_and_verifies() -> None:
    command = [sys.executable, "-m", "bench.evidence", "--seconds", "1", "--rows", "1500"]
    done = subprocess.run(
        [*command, "--rate", "300"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "holds  1,500 of 1,500 requests are in the database, whole" in done.stdout, done.stderr
    assert "holds  3,000 records verify" in done.stdout
    assert "over 1,500 requests" in done.stdout
