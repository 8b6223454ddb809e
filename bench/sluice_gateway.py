"""Sluice with everything on: key, label, policy, permit, rate-limit lease, journal, loader.

Started as its supervisor starts it (the same command lines), each process by itself so that it
can be pinned and accounted for: all of them share the gateway's core. The cold start is that of
the web process over a prepared database.
"""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from bench import sluice_config
from bench.children import GATEWAY_CORE, Child, ChildFailed, child_environment, free_port
from bench.gateways import ROOT, Running, first_answer
from bench.load import Target

# So high that it never refuses; still every request takes from a lease, and leases are renewed.
REQUESTS_PER_MINUTE = 3_000_000


async def start_sluice(
    upstream_port: int,
    folder: Path,
    *,
    configuration: Callable[[int], str] = sluice_config.usual,
    web_prefix: Sequence[str] = (),
    worker: bool = False,
) -> Running:
    """A fresh installation in `folder`/var, one web process, the loader and the store.

    `configuration` makes its `sluice.yaml` from the upstream's port.
    `worker` starts the Celery worker, too.
    `web_prefix` goes before the web process's own words (all of them, its Python included).
    """
    var = folder / "var"
    var.mkdir(mode=0o700)
    port = free_port()
    environment = {"SLUICE_VAR": str(var), "PORT": str(port), "SLUICE_LOG_LEVEL": "WARNING"}
    config = folder / "sluice.yaml"
    config.write_text(configuration(upstream_port))
    prepared = await _prepare(config, environment=environment, home=folder)

    def child(role: str, command: list[str]) -> Child:
        return Child(
            command,
            core=GATEWAY_CORE,
            log=folder / f"{role}.log",
            cwd=ROOT,
            environment=environment,
        )

    running = Running(target=Target(port=port, key=prepared.key), count_decisions=_counter(var))
    try:
        store = child("store", prepared.store)
        loader = child("loader", prepared.loader)
        await _accepts(var / "valkey.sock", log=store.log)
        began = time.perf_counter()
        running.children["web"] = web = child("web", [*web_prefix, *prepared.web])
        running.children |= {"loader": loader, "store": store}
        running.cold_start_s = await first_answer(web, running.target, began=began, timeout_s=60)
        if worker:
            running.children["worker"] = child("worker", prepared.worker)
    except BaseException:
        running.stop()
        raise
    running.answered_at_start = 1
    return running


class _Prepared(msgspec.Struct):
    """What `bench.prepare_sluice` prints."""

    key: str
    web: list[str]
    worker: list[str]
    loader: list[str]
    store: list[str]


async def _prepare(config: Path, *, environment: Mapping[str, str], home: Path) -> _Prepared:
    """A database, the configuration and a key; raises ChildFailed with what went wrong."""
    log = home / "prepare.log"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.prepare_sluice", str(config), str(REQUESTS_PER_MINUTE)),
        cwd=ROOT,
        env=child_environment(home=home, extra=environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 120)
    if process.returncode:
        log.write_bytes(complained)
        raise ChildFailed("Sluice could not be set up", log)
    return msgspec.json.decode(said.splitlines()[-1], type=_Prepared)


async def _accepts(path: Path, *, log: Path) -> None:
    for _ in range(500):
        try:
            _, writer = await asyncio.open_unix_connection(path)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return
    raise ChildFailed(f"no store at {path} after 10 s", log)


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
