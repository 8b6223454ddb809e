"""Batches use what is idle: rows make way while requests wait at an on-prem server."""

import asyncio
from collections.abc import Awaitable, Callable

from typing_extensions import override

from gateway.batches.models import RowState
from gateway.batches.queues import QueueWatch
from gateway.providers.openai_compatible import OpenAICompatible
from policies.engine.facts import Zone
from tests.gateway.batches.conftest import Office, Shift, lines, row, work
from tests.gateway.inference.conftest import destination
from tests.gateway.providers.fault_server import FaultServer, Received, _plain, _write

Answers = dict[
    str, Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
]
TWO_ENGINES = """# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_running{{engine="0",model_name="m"}} 8.0
vllm:num_requests_waiting{{engine="0",model_name="m"}} {waiting}.0
vllm:num_requests_waiting{{engine="1",model_name="m"}} 0.0
"""


class TellingServer(FaultServer):
    """A server with `/metrics`, as vLLM writes them; without when `waiting` is None."""

    waiting: int | None = 0
    asked: int = 0

    @override
    def _answers(self) -> Answers:
        return {**super()._answers(), "metrics": self._metrics}

    async def _metrics(
        self, _: Received, __: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self.asked += 1
        self.received.pop()
        if self.waiting is None:
            await _write(writer, _plain(404, b'{"detail":"Not Found"}'))
        else:
            await _write(writer, _plain(200, TWO_ENGINES.format(waiting=self.waiting).encode()))
        return True


async def waiting_at(server: TellingServer, zone: Zone = Zone.ON_PREM) -> int | None:
    provider = OpenAICompatible()
    try:
        return await provider.waiting(destination("llama", server.base_url, zone))
    finally:
        await provider.aclose()


def test_vllm_says_how_many_wait_and_others_say_nothing() -> None:
    async def scene() -> None:
        async with TellingServer() as server:
            server.waiting = 3
            assert await waiting_at(server) == 3
            server.waiting = None
            assert await waiting_at(server) is None

    asyncio.run(scene())


def test_nobody_off_prem_is_asked() -> None:
    async def scene() -> None:
        async with TellingServer() as server:
            assert await waiting_at(server, Zone.CLOUD) is None
            assert server.asked == 0

    asyncio.run(scene())


def test_rows_wait_while_others_do_and_go_on_afterwards(office: Office) -> None:
    batch = office.begun(
        lines([row(f"p{n}", model="private") for n in range(12)] + [row("c", model="vendor")])
    )

    async def scene(shift: Shift) -> None:
        async with TellingServer() as server:
            assert shift.snapshots.snapshot is not None
            known = shift.snapshots.snapshot.destinations
            there = destination("llama", server.base_url, Zone.ON_PREM)
            shift.change(destinations={**known, "llama": there})
            watch = QueueWatch(shift.gateway, shift.pace)
            server.mode = "slow_first_byte"
            running = asyncio.create_task(shift.drive(batch).run())
            await shift.until(lambda: len(server.received) == 8)
            server.waiting = 1
            await watch.look()
            server.mode = "ok"
            server.release.set()
            await shift.until(lambda: batch.rows.filter(state=RowState.COMPLETED).count() == 9)
            await watch.look()
            # The cloud has no part in this; on-prem nothing was begun since.
            assert len(shift.cloud.received) == 1
            assert len(server.received) == 8
            assert shift.pace.limit("llama") <= 5
            server.waiting = 0
            await watch.look()
            await running
            assert len(server.received) == 12

    work(office, scene)


def test_a_server_that_does_not_say_is_asked_once_a_minute_and_holds_nothing(
    office: Office,
) -> None:
    async def scene(shift: Shift) -> None:
        async with TellingServer() as server:
            assert shift.snapshots.snapshot is not None
            there = destination("llama", server.base_url, Zone.ON_PREM)
            shift.change(destinations={"llama": there})
            server.waiting = None
            watch = QueueWatch(shift.gateway, shift.pace)
            assert await shift.pace.enter("llama", patience_s=1)
            await watch.look()
            await watch.look()
            assert server.asked == 1
            assert await shift.pace.enter("llama", patience_s=1)

    work(office, scene)
