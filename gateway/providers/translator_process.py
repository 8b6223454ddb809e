"""Starts the translator when it is first needed, again when it has died, and ends it.

The child gets an environment of its own, without proxies, vendors' keys or a `.env` file, and is
bound to this process by its standard input. Its outputs are not read beyond the word `ready`.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from gateway.providers.calls import ConnectFailed

_ROOT = Path(__file__).resolve().parents[2]
_NO_EXTRAS: Mapping[str, str] = MappingProxyType({})
_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else the import asks a public address for prices
        "LITELLM_MODE": "PRODUCTION",  # else it reads .env files
        "LITELLM_LOG": "CRITICAL",
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": "*",
        "PYTHONUNBUFFERED": "1",
    }
)
_COOL_DOWN_S = 10.0  # after a failed start: each costs 5 CPU-seconds


class TranslatorProcess:
    """The child that serves `socket`.

    The socket's directory is made private (700). `environment` is added to the child's, for
    instance `SSL_CERT_FILE`.
    """

    def __init__(
        self,
        socket: Path,
        *,
        environment: Mapping[str, str] = _NO_EXTRAS,
        start_timeout_s: float = 60.0,
    ) -> None:
        self.socket = socket
        self._environment = {**_ENVIRONMENT, **environment}
        self._start_timeout_s = start_timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._starts = 0
        self._not_before = 0.0  # loop time
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def ensure(self) -> int:
        """Return once the translator serves: how many starts there were, for `restart`.

        Raises ConnectFailed when it cannot be started.

        A caller that is cancelled while it waits does not stop the start.
        """
        if self.pid is not None and self._starting is None:
            return self._starts
        if self._starting is None:
            loop = asyncio.get_running_loop()
            if self._closed or loop.time() < self._not_before:
                raise ConnectFailed("the translator is not running")
            self._starting = asyncio.ensure_future(self._start())
            self._starting.add_done_callback(self._started)
        await asyncio.shield(self._starting)
        return self._starts

    async def restart(self, after: int) -> None:
        """What `ensure` does, for a caller that found nobody on the socket after start `after`."""
        if self._starting is None and self._starts == after:
            await self._end()
        await self.ensure()

    async def aclose(self) -> None:
        """End the child and wait for it."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._end()

    async def _start(self) -> None:
        await asyncio.to_thread(_private_directory, self.socket.parent)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.providers.translator",
            "--socket",
            str(self.socket),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=_ROOT,
            env=self._environment,
        )
        self._process = process
        self._starts += 1
        line = b""
        try:
            async with asyncio.timeout(self._start_timeout_s):
                line = await process.stdout.readline() if process.stdout else b""
        except TimeoutError:
            pass
        finally:
            if line != b"ready\n":
                await self._end()
        if line != b"ready\n":
            self._not_before = asyncio.get_running_loop().time() + _COOL_DOWN_S
            raise ConnectFailed("the translator did not start; is litellm installed?")

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # seen by whoever waits; nobody may be left

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


def _private_directory(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.stat().st_mode & 0o077:
        raise ConnectFailed(f"the translator's directory {path} must have mode 700")
