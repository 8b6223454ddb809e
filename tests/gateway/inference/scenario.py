"""Plays a scenario through the path, against one on-prem and one cloud server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.inference.exchange import Reply
from tests.gateway.inference.conftest import House, snapshot
from tests.gateway.providers.fault_server import FaultServer

HELLO = {"model": "house-first", "messages": [{"role": "user", "content": "hello"}]}
PRIVATE = {"model": "house-first", "messages": [{"role": "user", "content": "4111111111111111"}]}
STREAM = {**HELLO, "stream": True}

Scenario = Callable[[House, FaultServer, FaultServer], Awaitable[None]]


def play(
    house: House,
    scenario: Scenario,
    document: dict[str, Any] | None = None,
    masking_keys: dict[str, bytes] | None = None,
) -> None:
    """Run a scenario against one on-prem and one cloud server."""

    async def run() -> None:
        async with FaultServer() as onprem, FaultServer() as cloud:
            house.snapshots.snapshot = snapshot(
                onprem.base_url, cloud.base_url, document, masking_keys
            )
            try:
                await scenario(house, onprem, cloud)
            finally:
                for provider in house.gateway.providers.values():
                    await provider.aclose()

    asyncio.run(run())


async def drain(reply: Reply) -> bytes:
    try:
        return b"".join([chunk async for chunk in reply.chunks])
    finally:
        await reply.aclose()
