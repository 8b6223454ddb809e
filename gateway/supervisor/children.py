"""Child processes: started with the supervisor, restarted when they die, stopped with it.

Each child has its own session, so that Ctrl-C reaches the supervisor alone, and asks the kernel
to be ended should the supervisor be killed.
"""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

STOP_AFTER_S = 10.0
_PR_SET_PDEATHSIG = 1
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


def _die_with_parent() -> None:
    # Linux only; elsewhere Ctrl-C still stops every child, `kill -9` of the supervisor does not.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True, kw_only=True)
class Child:
    """One child: how to start it, and how often it has died in a row."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path
    log: Path | None = None  # its output goes there instead of to ours
    process: "subprocess.Popen[bytes] | None" = None
    deaths: int = 0
    started_at: float = 0.0
    restart_at: float = 0.0

    def start(self, *, now_s: float) -> None:
        """Start it; its output goes to ours, line by line, behind its name."""
        self.started_at = now_s
        with self.log.open("ab") if self.log else nullcontext(subprocess.PIPE) as output:
            self.process = subprocess.Popen(  # noqa: S603 -- our own command lines
                self.command,
                cwd=self.cwd,
                env={**os.environ, **self.env},  # noqa: TID251 -- handed on, not read
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 -- one prctl, no locks taken
            )
        if self.process.stdout is not None:
            source = self.process.stdout
            threading.Thread(
                target=_copy, args=(self.name, source), name=f"output of {self.name}", daemon=True
            ).start()

    def died(self, *, now_s: float) -> bool:
        """Whether it ended by itself since the last look; then `restart_at` is set."""
        if self.process is None or self.process.poll() is None:
            return False
        self._end_group()  # what it started itself: the worker's pool, the translator
        # One that lived for a minute starts with a clean slate.
        self.deaths = 1 if now_s - self.started_at > 60 else self.deaths + 1
        pause = min(FIRST_PAUSE_S * 2 ** (self.deaths - 1), LONGEST_PAUSE_S)
        log.warning(
            "%s ended with %s; starting it again in %.1f s",
            self.name,
            self.process.returncode,
            pause,
        )
        self.process = None
        self.restart_at = now_s + pause
        return True

    def stop(self) -> None:
        """Ask it to end (SIGTERM)."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, timeout_s: float) -> None:
        """Wait for its end, then make sure of it, its own children included."""
        if self.process is None:
            return
        try:
            self.process.wait(max(timeout_s, 0.1))
        except subprocess.TimeoutExpired:
            log.warning("%s did not end in time; killing it", self.name)
        self._end_group()
        self.process.wait()

    def _end_group(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def _copy(name: str, source: IO[bytes]) -> None:
    with source:
        for line in source:
            sys.stderr.write(f"{name:>8} | {line.decode('utf-8', 'replace').rstrip()}\n")
            sys.stderr.flush()
