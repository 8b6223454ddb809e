"""A real Sluice for the benches of the chat, with one model server of ours, and a person signed in.

Supervisor, store and one web process; no worker, no demo models. Everything shares the machine's
cores, the bench included.
"""

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.children import free_port

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
_CONFIG = """
deployments:
  - {{name: clock, provider: openai_compatible, base_url: "http://127.0.0.1:{port}/v1",
     model: clock, zone: on_prem, endpoints: [chat.completions], enabled: true}}
aliases:
  - {{name: clock, deployments: [clock]}}
projects:
  - {{slug: demo, name: Demo, floor: internal, grants: [clock]}}
"""


class Person:
    """A signed-in browser, without the browser."""

    def __init__(self, port: int, email: str, password: str) -> None:
        self._port = port
        self.cookies: dict[str, str] = {}
        self.call("GET", "/login/")
        form = {
            "username": email,
            "password": password,
            "csrfmiddlewaretoken": self.cookies["csrftoken"],
        }
        status, _ = self.call("POST", "/login/", urllib.parse.urlencode(form).encode())
        if status != 302:
            raise SystemExit(f"could not sign in ({status})")

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {"cookie": self.cookie, "x-csrftoken": self.cookies.get("csrftoken", "")}
        if body is not None:
            json_body = body.startswith(b"{")
            headers["content-type"] = (
                "application/json" if json_body else "application/x-www-form-urlencoded"
            )
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        for value in answer.headers.get_all("set-cookie") or []:
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.split(";")[0]
        content = answer.read()
        connection.close()
        return answer.status, content

    def ask(self, text: str) -> str:
        """Send the first message of a conversation; returns its id."""
        body = json.dumps({"text": text, "model": "clock"}).encode()
        status, answer = self.call("POST", "/p/demo/messages", body)
        if status != 200:
            raise SystemExit(f"could not send ({status}): {answer[:300]!r}")
        return str(json.loads(answer)["conversation"])

    @property
    def cookie(self) -> str:
        """The cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


@dataclass(frozen=True, slots=True)
class House:
    """A running Sluice. `pid`: the supervisor's; its children are the rest."""

    port: int
    pid: int
    person: Person
    environment: dict[str, str] = field(repr=False)

    def manage(self, *words: str) -> None:
        """Run a `manage.py` command beside it."""
        command = [sys.executable, "manage.py", *words]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True)  # noqa: S603


@contextlib.asynccontextmanager
async def house(upstream_port: int) -> AsyncIterator[House]:
    """Start everything; stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        var, port = Path(folder) / "var", free_port()
        var.mkdir(mode=0o700)
        config = Path(folder) / "sluice.yaml"
        config.write_text(_CONFIG.format(port=upstream_port))
        environment = {
            "PATH": os.environ["PATH"],  # noqa: TID251
            "SLUICE_VAR": str(var),
            "PORT": str(port),
            "SLUICE_LOG_LEVEL": "WARNING",
        }
        words = [sys.executable, "-m", "gateway.supervisor", "--no-worker", "--no-demo"]
        process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own words, started once
            words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        try:
            first = await _ready(port, var, process)
            apply = [sys.executable, "manage.py", "config", "apply", str(config), "--yes-widen"]
            await asyncio.to_thread(subprocess.run, apply, cwd=ROOT, env=environment, check=True)
            await asyncio.sleep(1.5)
            person = await asyncio.to_thread(
                Person, port, first["admin_email"], first["admin_password"]
            )
            yield House(port, process.pid, person, environment)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 20)


async def _ready(port: int, var: Path, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    path = var / "first-run.json"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists():
            with contextlib.suppress(OSError):
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                found: dict[str, Any] = json.loads(path.read_text())
                return found
        await asyncio.sleep(0.2)
    raise SystemExit("Sluice did not start")
