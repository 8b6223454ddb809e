"""A variable that makes no sense is named in one line, before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WRONG = [
    ("PORT", "abc", "a whole number from 1 to 65535"),
    ("PORT", "80000", "a whole number from 1 to 65535"),
    ("SLUICE_MAX_BODY_BYTES", "20MB", "a whole number"),
    ("SLUICE_ON_PREM_NETWORKS", "10.0.0.0/33", "Write networks such as"),
    ("SLUICE_LOG_LEVEL", "chatty", "use DEBUG, INFO"),
    ("SLUICE_VAR", "/dev/null/var", "cannot be made"),
]


@pytest.mark.parametrize(("name", "value", "advice"), WRONG)
def test_it_says_which_variable_is_wrong(
    tmp_path: Path, name: str, value: str, advice: str
) -> None:
    env = {**os.environ, "SLUICE_VAR": str(tmp_path), name: value}
    done = subprocess.run(
        [sys.executable, "-c", "import gateway.settings"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Sluice does not start: {name} is ")
    assert advice in line
