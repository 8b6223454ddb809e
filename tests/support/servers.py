"""Private PostgreSQL and Redis servers for the tests, from Debian's packages.

Each has a directory of its own under the system's temporary one, and no service of the machine is
touched. PostgreSQL listens on a unix socket alone and refuses to run as root: then it runs as the
packages' user `postgres`. Both may be killed, paused and started again.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Self
from urllib.parse import quote

import psycopg
import redis
from typing_extensions import override

from tests.support.ports import free_port

PATIENCE_S = 30.0
_REDIS_DATABASES = 4096
# Durability is what several tests are about: fsync is on unless one says otherwise. The rest is for
# small machines.
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
}


def postgres_programs() -> Path | None:
    """The directory of Debian's newest PostgreSQL server, or of the one on the PATH."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    found = newest or (Path(which) if (which := shutil.which("postgres")) else None)
    return found.resolve().parent if found else None


def redis_program() -> str | None:
    """A Redis or Valkey server on the PATH."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


class Server:
    """A server process in a temporary directory."""

    def __init__(self, prefix: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=prefix))
        self.log = self.directory / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What starts it in the foreground."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it serves now."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start it and wait until it answers; also after `kill`."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        deadline = monotonic() + PATIENCE_S
        while not self.answers():
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
            assert monotonic() < deadline, f"{self.command()[0]} does not answer"
            Event().wait(0.02)
        return self

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP and SIGCONT pause it."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and wait for its end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it and remove its directory."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)  # PostgreSQL: a fast shutdown
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class PostgresServer(Server):
    """A cluster with the superuser `sluice`, whom everybody on this machine may be."""

    def __init__(self, *, durable: bool = True) -> None:
        """Without `durable` a power cut may lose what was committed; nothing else does."""
        super().__init__("sluice-pg-")
        self._settings = _SETTINGS if durable else {**_SETTINGS, "fsync": "off"}
        programs = postgres_programs()
        assert programs is not None
        self._programs = programs
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        self._run("initdb", "--auth=trust", "--username=sluice", "--encoding=UTF8", "--no-sync")

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @override
    def command(self) -> list[str]:
        settings = {**self._settings, "unix_socket_directories": str(self.directory)}
        words = [word for item in settings.items() for word in ("-c", "=".join(item))]
        return [*self._as_user, str(self._programs / "postgres"), "-D", str(self.data), *words]

    @override
    def kill(self) -> None:
        """The whole server at once, as a power switch would: its postmaster and every process."""
        assert self.process is not None
        # A process group of its own is what PostgreSQL gives each backend; they end by themselves
        # when the postmaster is gone.
        super().kill()
        deadline = monotonic() + PATIENCE_S
        while _processes_of(self.data):
            assert monotonic() < deadline
            Event().wait(0.02)

    @override
    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def url(self, database: str) -> str:
        """`DATABASE_URL` for a database of this server."""
        return f"postgres://sluice@{quote(str(self.directory), safe='')}/{database}"

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"sluice_{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._programs / program), "-D", str(self.data), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.directory)


class RedisServer(Server):
    """A server on a loopback port, with an append-only file."""

    def __init__(self) -> None:
        super().__init__("sluice-rd-")
        self.port = free_port()
        self._given = 0

    @override
    def command(self) -> list[str]:
        program = redis_program()
        assert program is not None
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "databases": str(_REDIS_DATABASES),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
        }
        return [
            program,
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

    @override
    def answers(self) -> bool:
        with redis.Redis(port=self.port, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def new_database(self) -> str:
        """`REDIS_URL` of an empty numbered database."""
        self._given += 1
        return f"redis://127.0.0.1:{self.port}/{self._given}"


@contextmanager
def postgres(*, durable: bool = True) -> Iterator[PostgresServer]:
    """A running PostgreSQL."""
    server = PostgresServer(durable=durable)
    try:
        yield server.start()
    finally:
        server.stop()


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A running Redis or Valkey."""
    server = RedisServer()
    try:
        yield server.start()
    finally:
        server.stop()


def _processes_of(data: Path) -> list[int]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if (directory / "cwd").readlink() == data:
                found.append(int(directory.name))
        except OSError:
            continue
    return found
