"""Children and what they start themselves."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from threading import enumerate as enumerate_threads
from time import monotonic

from gateway.supervisor.children import Child

PATIENCE_S = 20.0
FORKS = """
import os, pathlib, signal, time
pid = os.fork()
if pid:
    pathlib.Path("pid.part").write_text(str(pid))
    os.rename("pid.part", "pid")
signal.pause()
"""


def test_a_child_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    child = Child(name="worker", command=[sys.executable, "-c", FORKS], cwd=tmp_path)
    child.start(now_s=0.0)
    assert child.process is not None
    left = tmp_path / "pid"
    wait_until(left.exists)
    os.kill(child.process.pid, signal.SIGKILL)
    wait_until(lambda: child.died(now_s=1.0))
    wait_until(lambda: not alive(int(left.read_text())))
    wait_until(lambda: not any(each.name == "output of worker" for each in enumerate_threads()))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE_S
    while not condition():
        assert monotonic() < deadline
        Event().wait(0.01)


def alive(pid: int) -> bool:
    """Whether it runs: an ended one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False
