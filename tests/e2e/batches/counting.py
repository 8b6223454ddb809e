"""A model server that takes its time and counts, by what stands in the last message."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from typing_extensions import override

from tests.gateway.providers.fault_server import FaultServer, Received, _completion, _plain, _write
from tests.support.upstream import Upstream


@dataclass
class CountingServer(FaultServer):
    """`calls` counts what was asked, answered or not; `in_flight` what is being answered."""

    delay_s: float = 0.25
    calls: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    answered: int = 0

    @override
    def _answers(
        self,
    ) -> dict[
        str, Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
    ]:
        return {"counted": self._counted}

    async def _counted(
        self, request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self.received.clear()
        body = json.loads(request.body)
        self.calls[body["messages"][-1]["content"]] += 1
        self.in_flight += 1
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.in_flight -= 1
        answer = json.dumps(_completion(body["model"])).encode()
        await _write(writer, _plain(200, answer))
        self.answered += 1
        return True


class CountingUpstream(Upstream):
    """`CountingServer` in a thread beside the test."""

    server: CountingServer

    def __init__(self) -> None:
        super().__init__()
        self.server = CountingServer("counted")
