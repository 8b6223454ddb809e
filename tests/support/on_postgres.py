"""Runs a command with PostgreSQL and Redis instead of the embedded stores.

`python -m tests.support.on_postgres pytest -q tests/gateway`: starts private servers, names them in
`DATABASE_URL` and `REDIS_URL`, gives the secrets that production asks for, and stops everything
when the command ends. Every Sluice that a test starts gets databases of its own on them.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.production import make_secrets
from tests.support.servers import postgres, redis_server


def main(command: list[str]) -> int:
    """Run `command` (a module and its arguments); its exit status."""
    with (
        tempfile.TemporaryDirectory(prefix="sluice-secrets-") as place,
        postgres(durable=False) as database,
        redis_server() as store,
    ):
        env = {
            **os.environ,
            **make_secrets(Path(place)),
            "DATABASE_URL": database.new_database(),
            "REDIS_URL": store.new_database(),
        }
        words = [sys.executable, "-m", *command]
        return subprocess.run(words, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
