"""Several web processes and a loader on one PostgreSQL and one Redis, each process to be killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Self

from tests.support.databases import rows
from tests.support.ports import free_port
from tests.support.production import make_secrets
from tests.support.servers import PostgresServer, RedisServer
from tests.support.sluice import PATIENCE_S, ROOT, Sluice

_WEB = (
    *("-m", "uvicorn", "gateway.asgi:application", "--host", "127.0.0.1", "--loop", "uvloop"),
    *("--http", "httptools", "--lifespan", "on", "--no-access-log", "--log-level", "warning"),
)


class Webs:
    """One installation. `place` is an empty directory of its own."""

    def __init__(
        self, place: Path, postgres: PostgresServer, store: RedisServer, *, count: int
    ) -> None:
        (place / "var").mkdir()
        env = {
            **make_secrets(place),
            "DATABASE_URL": postgres.new_database(),
            "REDIS_URL": store.new_database(),
        }
        self.store = store
        self.install = Sluice(place / "var", env=env, embedded=True)
        self.ports = [free_port() for _ in range(count)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = place / "log"

    def start(self) -> Self:
        """Migrate, apply nothing yet; start the loader. `serve` starts the webs."""
        self.install.manage("migrate", "--no-input")
        self._start("loader", ["manage.py", "audit", "load"])
        return self

    def serve(self) -> None:
        """Start every web that does not run, and wait until all are ready."""
        for port in self.ports:
            name = f"web-{port}"
            if name not in self.processes or self.processes[name].poll() is not None:
                self._start(name, [*_WEB, "--port", str(port)])
        for port in self.ports:
            self.wait_for(lambda port=port: self._ready(port), f"web {port} ready")

    def url(self, web: int) -> str:
        return f"http://127.0.0.1:{self.ports[web]}"

    def kill(self, web: int) -> None:
        """`kill -9`."""
        process = self.processes[f"web-{self.ports[web]}"]
        process.kill()
        process.wait()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """What the database has."""
        return rows(self.install.env, sql)

    def wait_for(self, condition: object, what: str) -> None:
        deadline = monotonic() + PATIENCE_S
        assert callable(condition)
        while not condition():
            assert monotonic() < deadline, f"not {what} in time: {self.tail()}"
            Event().wait(0.05)

    def logged_bytes(self) -> int:
        """How much all processes have logged."""
        return self._log.stat().st_size

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _ready(self, port: int) -> bool:
        self.install.url = f"http://127.0.0.1:{port}"
        return self.install.get("/readyz")[0] == 200

    def _start(self, name: str, words: list[str]) -> None:
        with self._log.open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env={**os.environ, **self.install.env},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
