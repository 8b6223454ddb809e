"""The processes of one installation without its supervisor: killed and started again at once."""

import json
import os
import signal
import subprocess
import sys
from typing import Self

from tests.support.sluice import ROOT, Sluice

_COMMANDS = """
import json, django
django.setup()
from django.conf import settings
from gateway.supervisor.__main__ import web_command, worker_command
from gateway.usage.store_server import store_command
print(json.dumps({
    "store": store_command(settings.VALKEY_SOCKET, settings.VAR_DIR),
    "web": web_command(),
    "worker": worker_command(),
}))
"""


class Parts:
    """`store`, `web` and `worker`, each in a session of its own."""

    def __init__(self, sluice: Sluice) -> None:
        self._env = sluice.env | {"DJANGO_SETTINGS_MODULE": "gateway.settings"}
        self._log = sluice.log
        told = subprocess.run(
            [sys.executable, "-c", _COMMANDS],
            cwd=ROOT,
            env=self._env,
            capture_output=True,
            check=True,
        )
        self._commands: dict[str, list[str]] = json.loads(told.stdout)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        for name in self._commands:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self.kill(name)

    def start(self, name: str) -> None:
        with self._log.open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._commands[name],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """`kill -9`, with whatever it started."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
