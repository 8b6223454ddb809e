"""CPU time and memory of a process and its descendants, as the kernel accounts them (Linux only).

CPU is user plus system time, never wall time.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = 2  # the kernel's name for "user and system time, as scheduled"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    waited_ticks: int  # CPU of children that have ended and were waited for


def _stat(pid: int) -> _Stat | None:
    """One process's line, or None when it is gone. Fields as proc(5) numbers them."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name (field 2) may contain spaces and parentheses; the rest may not.
    fields = line[line.rindex(")") + 2 :].split()
    cutime, cstime = map(int, fields[13:15])  # 16 and 17
    return _Stat(parent=int(fields[1]), waited_ticks=cutime + cstime)


def _own_cpu_seconds(pid: int) -> float:
    """CPU seconds of every thread that `pid` has or had; 0 when it is gone.

    The process's CPU-time clock (clock_getcpuclockid(3)): the kernel's own account, to the
    nanosecond, where /proc/PID/stat has the same sum in ticks of 10 ms.
    """
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return 0.0


def _family(pid: int) -> list[tuple[int, _Stat]]:
    """The process and its living descendants."""
    every = {
        int(entry.name): stat
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (stat := _stat(int(entry.name)))
    }
    family = [pid] if pid in every else []
    for member in family:  # grows while it is walked
        family += [child for child, stat in every.items() if stat.parent == member]
    return [(member, every[member]) for member in family]


def family_pids(pid: int) -> list[int]:
    """The process and its living descendants."""
    return [member for member, _ in _family(pid)]


def cpu_seconds(pid: int) -> float:
    """CPU seconds used so far by `pid`, its living descendants and those they waited for."""
    return sum(
        _own_cpu_seconds(member) + stat.waited_ticks / _TICKS_PER_S for member, stat in _family(pid)
    )


def resident_bytes(pid: int) -> int:
    """Resident memory of `pid` and its living descendants; shared pages count in each."""
    total = 0
    for member, _ in _family(pid):
        try:
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1]) * _PAGE_BYTES
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def machine() -> dict[str, str | int]:
    """What the numbers were measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    uname = os.uname()
    return {
        "cpu": model,
        "cores": os.cpu_count() or 1,
        "kernel": f"{uname.sysname} {uname.release}",
    }
