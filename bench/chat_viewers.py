"""How late each chunk of a reply reaches everybody who watches one conversation.

    python -m bench.chat_viewers [VIEWERS] [SECONDS]

A real Sluice (supervisor, store, one web process) before an upstream of ours that writes the time
into each chunk, twenty a second. Each viewer is an event connection of its own; the delay of a
chunk is from the moment the upstream wrote it to the moment a viewer read it. Everything shares
the machine's cores, this program included.
"""

import asyncio
import http.client
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.children import free_port

ROOT = Path(__file__).resolve().parent.parent
CHUNK_EVERY_S = 0.05
LIMIT_S = 0.25
_TIME = re.compile(rb"T(\d+\.\d{4})")
_CONFIG = """
deployments:
  - {{name: clock, provider: openai_compatible, base_url: "http://127.0.0.1:{port}/v1",
     model: clock, zone: on_prem, endpoints: [chat.completions], enabled: true}}
aliases:
  - {{name: clock, deployments: [clock]}}
projects:
  - {{slug: demo, name: Demo, floor: internal, grants: [clock]}}
"""


async def upstream(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, for_s: float
) -> None:
    """Answers one request with the time, again and again."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    ends = time.monotonic() + for_s
    number = 0
    while time.monotonic() < ends:
        number += 1
        text = f"T{time.monotonic():.4f} " + ("\n\n" if number % 40 == 0 else "some words ")
        event = {"model": "clock", "choices": [{"index": 0, "delta": {"content": text}}]}
        writer.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        await writer.drain()
        await asyncio.sleep(CHUNK_EVERY_S)
    writer.write(
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    await writer.drain()
    writer.close()


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
        return answer.status, answer.read()

    @property
    def cookie(self) -> str:
        """The cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


async def watch(port: int, cookie: str, conversation: str, late: list[float]) -> None:
    """One viewer: notes how late each chunk is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 * 1024 * 1024)
    path = f"/chat/events?c={conversation}~0-0"
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n".encode())
    newest = time.monotonic()
    try:
        while data := await reader.read(262_144):
            now = time.monotonic()
            for found in _TIME.finditer(data):
                written = float(found[1])
                if written > newest:
                    newest = written
                    late.append(now - written)
    finally:
        writer.close()


async def measure(port: int, person: Person, viewers: int, for_s: float) -> list[float]:
    """Start a reply, let everybody watch it, and return every delay in seconds."""
    body = json.dumps({"text": "What time is it?", "model": "clock"}).encode()
    status, answer = await asyncio.to_thread(person.call, "POST", "/p/demo/messages", body)
    if status != 200:
        raise SystemExit(f"could not send ({status}): {answer[:300]!r}")
    conversation = json.loads(answer)["conversation"]
    late: list[float] = []
    tasks = []
    for at in range(viewers):
        tasks.append(asyncio.create_task(watch(port, person.cookie, conversation, late)))
        if at % 10 == 9:
            await asyncio.sleep(0.1)  # as people come, not all in one instant
    await asyncio.sleep(3)
    late.clear()
    await asyncio.sleep(for_s)
    found = list(late)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def report(late: list[float], viewers: int) -> int:
    """Print what was found. Returns the exit status."""
    if not late:
        sys.stdout.write("no chunk arrived\n")
        return 1
    late.sort()
    within = sum(each <= LIMIT_S for each in late) / len(late)
    milliseconds = {
        "median": statistics.median(late) * 1000,
        "p99": late[int(len(late) * 0.99)] * 1000,
        "max": late[-1] * 1000,
    }
    words = ", ".join(f"{name} {value:.0f} ms" for name, value in milliseconds.items())
    sys.stdout.write(
        f"{viewers} viewers, {len(late)} chunks read: {words}; "
        f"{within:.2%} within {LIMIT_S * 1000:.0f} ms\n"
    )
    return 0 if within >= 0.99 else 1


def _first_run(var: Path, process: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
    deadline = time.monotonic() + 60
    path = var / "first-run.json"
    while time.monotonic() < deadline and process.poll() is None:
        yield json.loads(path.read_text()) if path.exists() else {}


async def main(viewers: int, for_s: float) -> int:
    """Start everything, measure, stop everything."""
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    run_s = viewers / 100 + 3 + for_s + 5
    server = await asyncio.start_server(lambda r, w: upstream(r, w, run_s), "127.0.0.1", 0)
    upstream_port = server.sockets[0].getsockname()[1]
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
            return report(await measure(port, person, viewers, for_s), viewers)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 20)
            server.close()


async def _ready(port: int, var: Path, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    for first in _first_run(var, process):
        if first:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                pass
            else:
                writer.close()
                return first
        await asyncio.sleep(0.2)
    raise SystemExit("Sluice did not start")


if __name__ == "__main__":
    wanted = [*sys.argv[1:], *("500", "10")[len(sys.argv) - 1 :]]
    sys.exit(asyncio.run(main(int(wanted[0]), float(wanted[1]))))
