"""The README's examples run as they stand, but for the address and the key."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sluice import Sluice

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
EXPECTED = [
    ["cloud", "Explain backpressure"],
    ["on_prem", "demo-cloud"],
    ["Write to XEMAIL", "Write to jane.roe@clinic.example, please."],
]


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_an_example_runs(sluice_server: Sluice, number: int) -> None:
    assert len(EXAMPLES) == len(EXPECTED)
    code = EXAMPLES[number].replace("http://127.0.0.1:8000", sluice_server.url)
    code = code.replace("sk-sluice-…", sluice_server.api_key)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for words in EXPECTED[number]:
        assert words in done.stdout
