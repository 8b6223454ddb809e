"""Sluice with everything on: key, label, policy, permit, rate-limit lease, journal, loader.

Started as its supervisor starts it (the same command lines), each process by itself so that it
can be pinned and accounted for: all of them share the gateway's core. The cold start is that of
the web process over a prepared database.
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from bench.children import GATEWAY_CORE, Child, child_environment, free_port
from bench.gateways import ROOT, NotInstalled, Running, first_answer
from bench.load import Target
from bench.wire import MODEL, SLOW_MODEL

# So high that it never refuses; still every request takes from a lease, and leases are renewed.
REQUESTS_PER_MINUTE = 3_000_000
_COMMANDS = """
import json
from gateway.supervisor.__main__ import web_command
from gateway.usage.store_server import store_command
from django.conf import settings
store = store_command(settings.VALKEY_SOCKET, settings.VAR_DIR)
print(json.dumps({"web": web_command(), "store": store}))
"""
_CONFIG = """
deployments:
  - {{name: fast, provider: openai_compatible, base_url: "http://127.0.0.1:{port}/v1",
     model: {fast}, zone: on_prem, endpoints: [chat.completions], modalities: [text],
     enabled: true}}
  - {{name: slow, provider: openai_compatible, base_url: "http://127.0.0.1:{port}/v1",
     model: {slow}, zone: on_prem, endpoints: [chat.completions], modalities: [text],
     enabled: true}}
aliases:
  - {{name: {fast}, deployments: [fast]}}
  - {{name: {slow}, deployments: [slow]}}
projects:
  - slug: bench
    name: Bench
    floor: internal
    grants: [fast, slow]
    policy:
      kind: project-policy
      project: bench
      rules:
        - {{id: health-stays, when: {{category: health}}, then: {{allow_only: {{zone: on_prem}}}}}}
        - {{id: money-stays, when: {{category: payment}}, then: {{allow_only: {{zone: on_prem}}}}}}
        - {{id: code-fast, when: {{category: code}}, then: {{prefer: [fast]}}}}
        - {{id: large-slow, when: {{size: {{at_least: 1000000}}}}, then: {{prefer: [slow]}}}}
"""


async def start_sluice(
    upstream_port: int, folder: Path, *, web_prefix: Sequence[str] = ()
) -> Running:
    """A fresh installation in `folder`/var, one web process, the loader and the store.

    `web_prefix` goes before the web process's own words (all of them, its Python included).
    """
    var = folder / "var"
    var.mkdir(mode=0o700)
    port = free_port()
    environment = {"SLUICE_VAR": str(var), "PORT": str(port), "SLUICE_LOG_LEVEL": "WARNING"}
    config = folder / "sluice.yaml"
    config.write_text(_CONFIG.format(port=upstream_port, fast=MODEL, slow=SLOW_MODEL))
    commands = json.loads(await _python("-c", _COMMANDS, environment=environment, home=folder))
    await _manage("migrate", "--verbosity", "0", environment=environment, home=folder)
    await _manage("config", "apply", str(config), environment=environment, home=folder)
    key = await _key(environment=environment, home=folder)

    def child(role: str, command: list[str]) -> Child:
        return Child(
            command,
            core=GATEWAY_CORE,
            log=folder / f"{role}.log",
            cwd=ROOT,
            environment=environment,
        )

    running = Running(target=Target(port=port, key=key), count_decisions=_counter(var))
    try:
        store = child("store", commands["store"])
        loader = child("loader", [sys.executable, "manage.py", "audit", "load"])
        await _accepts(var / "valkey.sock")
        began = time.perf_counter()
        running.children["web"] = web = child("web", [*web_prefix, *commands["web"]])
        running.children |= {"loader": loader, "store": store}
        running.cold_start_s = await first_answer(web, running.target, began=began, timeout_s=60)
    except BaseException:
        running.stop()
        raise
    running.answered_at_start = 1
    return running


async def _python(*arguments: str, environment: Mapping[str, str], home: Path) -> str:
    """Run this Python to its end; raises NotInstalled with the last it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env=child_environment(home=home, extra=environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 120)
    if process.returncode:
        last = (said + complained).decode(errors="replace")[-1500:]
        raise NotInstalled(f"Sluice: {' '.join(arguments[:2])} failed: {last}")
    return said.decode()


async def _manage(*arguments: str, environment: Mapping[str, str], home: Path) -> str:
    return await _python("manage.py", *arguments, environment=environment, home=home)


async def _key(*, environment: Mapping[str, str], home: Path) -> str:
    said = await _manage(
        *("keys", "create", "--project", "bench", "--name", "bench"),
        *("--requests-per-minute", str(REQUESTS_PER_MINUTE)),
        environment=environment,
        home=home,
    )
    return next(word for word in said.split() if word.startswith("sk-sluice-"))


async def _accepts(path: Path) -> None:
    for _ in range(500):
        try:
            _, writer = await asyncio.open_unix_connection(path)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return
    raise NotInstalled(f"Sluice: no store at {path} after 10 s")


def _counter(var: Path) -> Callable[[], int]:
    """Reads how many decisions the loader has brought into the database."""

    def count() -> int:
        address = f"file:{var / 'sluice.sqlite3'}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=20)) as database:
            found: int = database.execute(
                "SELECT COUNT(*) FROM audit_requestrecord WHERE record != ''"
            ).fetchone()[0]
            return found

    return count
