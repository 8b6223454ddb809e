"""Starting and surely ending the processes that are measured.

Each child gets a core, a log file, an environment of its own (nothing inherited: no proxies, no
vendors' keys) and a process group that is ended as a whole.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

GATEWAY_CORE = 0
LOAD_CORE = 1  # the upstream and the load generator share it
# Each becomes the next, with the same pid. Should the bench be killed, the child ends too.
_WRAPPER = ("/usr/bin/setpriv", "--pdeathsig", "TERM", "/usr/bin/taskset", "--cpu-list")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ChildFailed(Exception):
    """A process did not do what it was started for. Says what, and the end of its log."""

    def __init__(self, what: str, log: Path) -> None:
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        super().__init__(f"{what}\n{said}")


class Child:
    """One running process, the head of its own process group."""

    def __init__(
        self,
        command: list[str],
        *,
        core: int,
        log: Path,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command lines
                [*_WRAPPER, str(core), *command],
                cwd=cwd,
                env=child_environment(home=cwd, extra=environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def stop(self, *, grace_s: float = 10.0) -> None:
        """End the whole group: asked first, killed after `grace_s`."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def child_environment(*, home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a child."""
    return {"PATH": _PATH, "HOME": str(home), "LANG": "C.UTF-8", **(extra or {})}


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def listening(child: Child, port: int, *, timeout_s: float) -> None:
    """Wait until `port` accepts; raises ChildFailed when the child ends or the time is over."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while asyncio.get_running_loop().time() < deadline:
        if child.ended():
            raise ChildFailed("ended before it served", child.log)
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return
    raise ChildFailed(f"not listening after {timeout_s:.0f} s", child.log)
