"""A real Sluice as a process: the supervisor with everything but the Celery worker."""

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, Self

import openai

from tests.support.databases import databases_for, rows
from tests.support.migrated import give_database
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 90.0


class Sluice:
    """One installation in a directory of its own. `restart` keeps its state.

    Its stores are the embedded ones; where DATABASE_URL is set (`make test-postgres`), new
    databases on those servers, unless it is to be `embedded`. The first start finds an SQLite
    database that is migrated, unless it is to be `empty`, as it is for users.
    """

    def __init__(
        self,
        var: Path,
        *,
        env: dict[str, str] | None = None,
        demo: bool = True,
        worker: bool = False,
        embedded: bool = False,
        empty: bool = False,
    ) -> None:
        self.var = var
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = var.parent / f"{var.name}.log"
        self._demo = demo
        self._worker = worker
        self._empty = empty
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLUICE_", "DJANGO_", "DATABASE_", "REDIS_"))
            and not name.endswith("_API_KEY")
        }
        self.env = {
            **kept,
            **({} if embedded else databases_for()),
            "SLUICE_VAR": str(var),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            **(env or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[openai.OpenAI] = []

    def start(self) -> Self:
        command = [sys.executable, "-m", "gateway.supervisor"]
        if not self._worker:
            command.append("--no-worker")
        if not self._demo:
            command.append("--no-demo")
        if not self._empty:
            give_database(self.var, self.env)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_ready()
        return self

    def wait_ready(self) -> None:
        self.wait_for(lambda: self.get("/readyz")[0] == 200, "ready")

    def wait_for(self, condition: Any, what: str) -> None:
        """Wait until `condition()`; fail with the log's end after 90 s or when the process died."""
        deadline = monotonic() + PATIENCE_S
        while not condition():
            assert self._process is None or self._process.poll() is None, self.tail()
            assert monotonic() < deadline, f"not {what} in time: {self.tail()}"
            Event().wait(0.05)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        while self._clients:
            self._clients.pop().close()
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(40)  # the worker ends what it has begun
        finally:
            self._process.kill()
            self._process = None

    def manage(self, *arguments: str, check: bool = True, stdin: str = "") -> str:
        """Run a `manage.py` command beside the running processes; returns what it printed."""
        return self._run(["manage.py", *arguments], check=check, stdin=stdin)

    def run_module(self, module: str) -> str:
        """Run `python -m module` with this installation's environment."""
        return self._run(["-m", module], check=True, stdin="")

    def _run(self, arguments: list[str], *, check: bool, stdin: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def apply(self, config: str) -> None:
        """Apply a configuration and wait until the running web process has it."""
        path = self.var / "test.yaml"
        path.write_text(config)
        self.manage("config", "apply", str(path), "--yes-widen")
        self.settle()

    def settle(self) -> None:
        """Wait until a snapshot read after now is in use: two polls of 250 ms and a rebuild."""
        Event().wait(1.5)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a statement that only reads finds in this installation's database."""
        return rows(self.env, sql)

    @property
    def first_run(self) -> dict[str, str]:
        content: dict[str, str] = json.loads((self.var / "first-run.json").read_text())
        return content

    @property
    def api_key(self) -> str:
        return self.first_run["api_key"]

    def client(self, api_key: str | None = None, **options: Any) -> openai.OpenAI:
        options = {"max_retries": 0, "timeout": 30} | options
        client = openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=api_key or self.api_key, **options
        )
        self._clients.append(client)  # closed with the server: a test need not think of it
        return client

    def get(self, path: str) -> tuple[int, bytes]:
        return self.request("GET", path)

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """A raw request; (0, b"") when nothing answers."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except (OSError, http.client.HTTPException):
            return 0, b""

    def post(self, path: str, body: bytes, *, key: str | None = None) -> tuple[int, bytes]:
        return self.request(
            "POST",
            path,
            body,
            Authorization=f"Bearer {key or self.api_key}",
            **{"Content-Type": "application/json"},
        )

    def pids(self, name: str) -> list[int]:
        """Process ids whose command line has `name` and that belong to this installation."""
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = (directory / "environ").read_bytes()
            except OSError:
                continue
            if name in command and f"SLUICE_VAR={self.var}\0".encode() in environment:
                found.append(int(directory.name))
        return found
