"""A recording upstream that runs in a thread beside the test."""

import asyncio
import threading
from time import monotonic
from typing import Self

from tests.gateway.providers.fault_server import FaultServer, Received


class Upstream:
    """`FaultServer` with a loop of its own: `mode` may be set, `received` read, from the test."""

    def __init__(self, mode: str = "ok") -> None:
        self.server = FaultServer(mode)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._stop = asyncio.Event()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with self.server:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def base_url(self) -> str:
        return self.server.base_url

    @property
    def received(self) -> list[Received]:
        return self.server.received

    @property
    def calls(self) -> list[Received]:
        """The requests for an answer. A look at how long its queue is, is none."""
        return [each for each in self.received if each.method == "POST"]

    @property
    def everything(self) -> bytes:
        """All bytes of all requests: lines, headers, bodies."""
        return b"\n".join(
            f"{each.method} {each.path} {each.headers}".encode() + each.body
            for each in self.received
        )

    def reset(self, mode: str = "ok") -> None:
        self.server.mode = mode
        self.server.received.clear()
        self.release()

    def release(self) -> None:
        """Let go of requests that a mode holds back."""
        self._loop.call_soon_threadsafe(self.server.release.set)
        self._loop.call_soon_threadsafe(self.server.release.clear)

    def asked(self, *, within_s: float) -> bool:
        """Whether a request arrived since `reset`, in time."""
        deadline = monotonic() + within_s
        while not self.received and monotonic() < deadline:
            threading.Event().wait(0.02)
        return bool(self.received)

    def left(self, *, within_s: float) -> bool:
        """Whether the client of a waiting request went away in time."""
        gone = asyncio.run_coroutine_threadsafe(self.server.client_gone.wait(), self._loop)
        try:
            return gone.result(within_s)
        except TimeoutError:
            return False
