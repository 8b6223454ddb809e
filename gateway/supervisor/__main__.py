"""`python -m gateway.supervisor`: starts everything, keeps it running, stops everything.

Order: store, demo models, database, configuration, then web, worker and loader. Ctrl-C or SIGTERM
stops in the opposite order. `--no-worker` leaves the Celery worker out (small machines, benches).
"""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")  # noqa: TID251

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management.base import CommandError  # noqa: E402

from gateway.supervisor.children import STOP_AFTER_S, Child  # noqa: E402
from gateway.supervisor.one_copy import claim  # noqa: E402
from gateway.supervisor.prepare import Prepared, announce, prepare  # noqa: E402
from gateway.supervisor.waiting import free_port, wait_for_http, wait_for_store  # noqa: E402
from gateway.usage.store_server import store_command  # noqa: E402

log = logging.getLogger("sluice")
PYTHON = sys.executable
LOOK_EVERY_S = 0.25


class Supervisor:
    """The children of one installation on one machine."""

    def __init__(self, *, worker: bool, demo: bool) -> None:
        self._worker = worker
        self._demo = demo
        self._children: list[Child] = []
        self._stopping = threading.Event()

    def stop(self, *_: object) -> None:
        """Begin to stop; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> int:
        """Start everything and watch it until told to stop. Returns the exit status."""
        try:
            self._start_all()
            self._watch()
        finally:
            self._stop_all()
        return 0

    def _start_all(self) -> None:
        _require_port(settings.HOST, settings.PORT)
        if settings.REDIS_URL.startswith("unix://"):
            # It warns of kernel settings that matter to large stores only.
            store = store_command(settings.VALKEY_SOCKET, settings.VAR_DIR)
            self._start("store", store, log=settings.VAR_DIR / "store.log")
        ports = {role: free_port() for role in ("onprem", "cloud")} if self._demo else {}
        for role, port in ports.items():
            command = [PYTHON, "-m", "gateway.providers.demo", "--role", role, "--port", str(port)]
            self._start(f"demo-{role}", command)
        prepared = prepare({role: f"http://127.0.0.1:{port}/v1" for role, port in ports.items()})
        wait_for_store(settings.REDIS_URL, self._stopping)
        self._start("web", web_command())
        self._start("loader", [PYTHON, "manage.py", "audit", "load"])
        if self._worker:
            self._start("worker", worker_command())
        self._announce(prepared)

    def _announce(self, prepared: Prepared) -> None:
        if wait_for_http(f"http://{settings.HOST}:{settings.PORT}/readyz", self._stopping):
            announce(prepared)

    def _start(self, name: str, command: list[str], *, log: Path | None = None) -> None:
        if self._stopping.is_set():
            return
        child = Child(name=name, command=command, cwd=settings.BASE_DIR, log=log)
        child.start(now_s=time.monotonic())
        self._children.append(child)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            now_s = time.monotonic()
            for child in self._children:
                if child.died(now_s=now_s) or child.process is not None:
                    continue
                if now_s >= child.restart_at:
                    child.start(now_s=now_s)

    def _stop_all(self) -> None:
        # The web first, so that no request meets a store or a loader that has gone.
        deadline = time.monotonic() + STOP_AFTER_S
        for child in reversed(self._children):
            if child.name not in {"store", "loader"}:
                child.stop()
        for child in reversed(self._children):
            child.stop()
            child.wait(deadline - time.monotonic())


def web_command() -> list[str]:
    """The web process. One per SQLite installation."""
    return [
        *[PYTHON, "-m", "uvicorn", "gateway.asgi:application"],
        *["--host", settings.HOST, "--port", str(settings.PORT)],
        *["--loop", "uvloop", "--http", "httptools", "--lifespan", "on"],
        *["--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning"],
        *["--timeout-keep-alive", "30", "--timeout-graceful-shutdown", "5"],
    ]


def worker_command() -> list[str]:
    """The Celery worker with beat inside."""
    schedule = settings.VAR_DIR / "celerybeat-schedule"
    return [
        *[PYTHON, "-m", "celery", "--quiet", "--app", "gateway.celery", "worker", "--beat"],
        *["--schedule", str(schedule), "--concurrency", "1", "--loglevel", "WARNING"],
        *["--without-gossip", "--without-mingle"],
    ]


def _require_port(host: str, port: int) -> None:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        sys.exit(
            f"Port {port} on {host} cannot be used ({error.strerror}). "
            f"Choose another: PORT={port + 1} make run"
        )


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m gateway.supervisor", description=__doc__)
    parser.add_argument("--no-worker", action="store_true", help="leave out the Celery worker")
    parser.add_argument("--no-demo", action="store_true", help="leave out the demo models")
    options = parser.parse_args()
    supervisor = Supervisor(worker=not options.no_worker, demo=not options.no_demo)
    signal.signal(signal.SIGINT, supervisor.stop)
    signal.signal(signal.SIGTERM, supervisor.stop)
    with claim(settings.VAR_DIR):
        try:
            return supervisor.run()
        except CommandError as error:  # a wrong configuration: what and where, no traceback
            sys.stderr.write(f"Sluice does not start:\n{error}\n")
            return 1


if __name__ == "__main__":
    sys.exit(main())
