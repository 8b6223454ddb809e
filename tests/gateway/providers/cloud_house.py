"""A translator process, and servers that speak the vendors' dialects."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest

from gateway.providers.calls import (
    Call,
)
from gateway.providers.litellm_cloud import LiteLLMCloud
from gateway.providers.translator_process import TranslatorProcess
from policies.engine.facts import Zone
from tests.gateway.providers.calls_for_tests import call, clock, destination
from tests.gateway.providers.vendor_servers import AnthropicServer, GoogleServer, VendorServer

T = TypeVar("T")
Tree = dict[str, Any]

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks up.",
        "parameters": {"type": "object", "properties": {"what": {"type": "string"}}},
    },
}
ASK: Tree = {"messages": [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}]}
STREAM: Tree = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
VENDORS = {"anthropic": AnthropicServer, "gemini": GoogleServer}
both_vendors = pytest.mark.parametrize("vendor", list(VENDORS))


@dataclass
class House:
    """One event loop, one translator, one server for each vendor, for the whole folder."""

    runner: asyncio.Runner
    process: TranslatorProcess
    cloud: LiteLLMCloud
    servers: dict[str, VendorServer]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(60):
                return await work

        return self.runner.run(bounded())

    def call(
        self,
        vendor: str,
        mode: str = "ok",
        body: Tree = ASK,
        *,
        path: str = "/chat/completions",
        **changes: Any,
    ) -> Call:
        server = self.servers[vendor]
        server.received.clear()
        server.client_gone.clear()
        options = {"litellm_provider": vendor, "allow_private": "yes"}
        to = destination(
            f"http://127.0.0.1:{server.port}/{mode}" + ("/v1beta" if vendor == "gemini" else "/v1"),
            zone=Zone.CLOUD,
            credential="vendor-key",
            provider="litellm_cloud",
            options={**options, **changes.pop("options", {})},
        )
        return call(replace(to, **changes), body, path=path)

    async def answer(self, asked: Call) -> tuple[int, Tree]:
        answer = await self.cloud.send(asked)
        try:
            return answer.status, json.loads(await answer.read(1_000_000))
        finally:
            await answer.aclose()

    async def events(self, asked: Call) -> list[Tree]:
        """A stream's chunks; fails unless it ends with [DONE]."""
        answer = await self.cloud.send(asked)
        try:
            assert answer.status == 200
            assert answer.headers["content-type"] == "text/event-stream"
            events = (await answer.read(1_000_000)).decode().split("\n\n")
            assert events[-2:] == ["data: [DONE]", ""]
            return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
        finally:
            await answer.aclose()


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as environment:
        environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # must not reach the child

        async def start() -> House:
            servers = {name: await kind().__aenter__() for name, kind in VENDORS.items()}
            process = TranslatorProcess(tmp_path_factory.mktemp("private") / "run" / "s")
            return House(runner, process, LiteLLMCloud(process, clock=clock), servers)

        async def stop(built: House) -> None:
            await built.cloud.aclose()
            for server in built.servers.values():
                await server.__aexit__()

        built = runner.run(start())
        yield built
        runner.run(stop(built))


def sent(house: House, vendor: str) -> Tree:
    """The one request that the vendor received."""
    received = house.servers[vendor].received
    assert len(received) == 1
    tree: Tree = json.loads(received[0].body)
    return tree
