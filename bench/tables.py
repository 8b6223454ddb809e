"""What a large table costs whoever runs it, and the worker that writes its prompts.

    python -m bench.tables [--rows 100000]

Works in a temporary installation of its own, with the embedded database. Exits with 1 when the
request that begins the run takes more than a second, or the worker's process 300 MB.
"""

import argparse
import os
import subprocess
import sys
import tempfile

ROWS = 100_000


def main() -> None:
    """Each part in a process of its own, as web and worker are."""
    parser = argparse.ArgumentParser(prog="python -m bench.tables", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = str(parser.parse_args().rows)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        environment = {**os.environ, "SLUICE_VAR": folder, "SLUICE_LOG_LEVEL": "ERROR"}  # noqa: TID251
        missed = [
            subprocess.run(  # noqa: S603 -- this package
                [sys.executable, "-m", "bench.table_parts", part, rows],
                env=environment,
                check=False,
            ).returncode
            for part in ("begin", "work")
        ]
    raise SystemExit(int(any(missed)))


if __name__ == "__main__":
    main()
