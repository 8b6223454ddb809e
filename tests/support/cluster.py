"""The processes of docker-compose.yml without containers: its commands, its environment, two web
processes and two workers, on PostgreSQL and Redis servers that may be killed and started again."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, Self

import redis
import yaml

from tests.support.ports import free_port
from tests.support.production import make_secrets
from tests.support.servers import PostgresServer, RedisServer
from tests.support.sluice import PATIENCE_S, ROOT, Sluice

COMPOSE = ROOT / "docker-compose.yml"
_SECRET_NAMES = {
    "secret_key": "secret_key",
    "key_encryption_key": "key_encryption_key",
    "audit_key": "audit_key.pem",
    "database_password": "database_password",
    "valkey_password": "valkey_password",
    "metrics_key": "metrics_key",
}
# Beside one another and under load: no test may depend on the default of a number of cores.
_REPLICAS = {"web": 2, "worker": 2, "beat": 1, "loader": 1}


def compose() -> dict[str, Any]:
    """docker-compose.yml, its anchors resolved."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return content


def web_command() -> list[str]:
    """The Dockerfile's CMD."""
    found = re.search(r"^CMD (\[\"uvicorn.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    words: list[str] = yaml.safe_load(found[1])
    return words


class Cluster:
    """One installation of several processes. `install` answers for what belongs to all of them:
    its commands, its database."""

    def __init__(self, root: Path, postgres: PostgresServer, store: RedisServer) -> None:
        self.root = root
        self.postgres, self.redis = postgres, store
        self._given = make_secrets(root)
        (root / "database_password").write_text("unused on a unix socket")
        (root / "valkey_password").write_text("")
        (root / "metrics_key").write_text("read-by-prometheus")
        self._stores = {
            "DATABASE_URL": postgres.new_database(),
            "REDIS_URL": store.new_database(),
        }
        self.ports = [free_port() for _ in range(_REPLICAS["web"])]
        self.install = Sluice(root / "var", env=self._environment("worker"), embedded=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def names(self) -> list[str]:
        """`web-0`, `web-1`, `worker-0` and so on."""
        return [f"{service}-{n}" for service, count in _REPLICAS.items() for n in range(count)]

    def start(self) -> Self:
        """Migrate as compose does, then start every process and wait for both webs."""
        self.install.manage("migrate", "--no-input")
        for name in self.names:
            self.start_one(name)
        self.wait_ready()
        return self

    def start_one(self, name: str) -> None:
        """Start a process of that name, as its container would be started again."""
        service, _, number = name.partition("-")
        env = {**self.install.env, **self._environment(service)}
        if service == "web":
            env.pop("SLUICE_AUDIT_KEY")
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self._command(service, int(number)),
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """`kill -9` of a process with its children."""
        process = self.processes[name]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def url(self, web: int) -> str:
        return f"http://127.0.0.1:{self.ports[web]}"

    def post(self, path: str, body: bytes, *, key: str, web: int) -> tuple[int, bytes]:
        return self._at(web).post(path, body, key=key)

    def revive(self) -> None:
        """Start again whatever ended by itself, as `restart: unless-stopped` does: a process that
        begins while the database is away does not come up."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.start_one(name)

    def wait_ready(self) -> None:
        """Wait until both webs would serve."""

        def ready() -> bool:
            self.revive()
            webs = range(len(self.ports))
            return all(self._at(web).get("/readyz")[0] == 200 for web in webs)

        self.wait_for(ready, "ready")

    def wait_for(self, condition: Any, what: str) -> None:
        deadline = monotonic() + PATIENCE_S
        while not condition():
            assert monotonic() < deadline, f"not {what} in time:\n{self.tails()}"
            Event().wait(0.05)

    def store_minute(self) -> int:
        """The minute that limits count in: of the store's clock."""
        with redis.Redis.from_url(self._stores["REDIS_URL"]) as client:
            seconds, _ = client.time()
        return int(seconds) // 60

    def workers(self) -> int:
        """How many workers take tasks now."""
        with redis.Redis.from_url(self._stores["REDIS_URL"]) as client:
            return sum(
                1
                for each in client.client_list()
                if each["cmd"] == "brpop"
                and each["db"] == self._stores["REDIS_URL"].rsplit("/")[-1]
            )

    def tails(self) -> str:
        logs = [(self.root / f"{name}.log") for name in self.names]
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}"
            for log in logs
            if log.exists()
        )

    def stop(self) -> None:
        """Stop the processes, as `docker compose down` does; the servers go on."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill(name)
        self.processes.clear()

    def _at(self, web: int) -> Sluice:
        place = Sluice.__new__(Sluice)
        place.url = self.url(web)
        return place

    def _environment(self, service: str) -> dict[str, str]:
        """The service's environment in the compose file, with the places that are here."""
        given: dict[str, str] = dict(compose()["services"][service]["environment"])
        env = {
            name: self._here(str(value))
            for name, value in given.items()
            if not name.startswith("REDIS_PASSWORD")
        }
        return {
            **env,
            **self._stores,
            "SLUICE_VAR": str(self.root / "var"),
            "SLUICE_PUBLIC_URL": "https://sluice.example",
            "SLUICE_ON_PREM_NETWORKS": "127.0.0.0/8",
            "SLUICE_TRUSTED_PROXIES": "127.0.0.0/8",
        }

    def _here(self, text: str) -> str:
        for name, file in _SECRET_NAMES.items():
            text = text.replace(f"/run/secrets/{name}", str(self.root / file))
        return text.replace("/var/lib/sluice", str(self.root / "var"))

    def _command(self, service: str, number: int) -> list[str]:
        words = compose()["services"][service].get("command") or web_command()
        words = [self._here(str(word)) for word in words]
        if service == "web":
            words = [*words, "--port", str(self.ports[number]), "--host", "127.0.0.1"]
        if service == "worker":
            words = [*words, "--hostname", f"{number}@here"]
        if words[0] == "python":
            return [sys.executable, *words[1:]]
        return [sys.executable, "-m", *words]
