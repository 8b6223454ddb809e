"""An Ollama that counts as on_prem is asked whether it runs the model itself."""

import asyncio
import json

import pytest

from gateway.providers.calls import ForwardsElsewhere
from gateway.providers.openai_compatible import OpenAICompatible
from policies.engine.facts import Zone
from tests.gateway.providers.calls_for_tests import call, clock, destination, run
from tests.gateway.providers.fault_server import FaultServer


def http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


ELSEWHERE = {
    "another host": http(b'{"remote_host": "https://ollama.com:443", "remote_model": "gpt-oss"}'),
    "another model": http(b'{"remote_model": "gpt-oss"}'),
    "no word about it": http(b"<html>hello</html>"),
    "an error": http(b'{"error": "model not found"}', b"404 Not Found"),
    "a number": http(b'{"remote_host": 1}'),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_it_gets_nothing_when_it_names(case: str) -> None:
    async def work() -> None:
        async with FaultServer("raw", raw=ELSEWHERE[case]) as server:
            adapter = OpenAICompatible(clock=clock)
            to = destination(server.base_url, options={"dialect": "ollama"})
            try:
                with pytest.raises(ForwardsElsewhere):
                    await adapter.send(call(to))
                assert [each.path for each in server.received] == ["/api/show"]
                assert json.loads(server.received[0].body) == {"model": to.upstream_model}
            finally:
                await adapter.aclose()

    run(work())


def test_it_is_asked_once_and_then_serves() -> None:
    async def work() -> None:
        async with FaultServer("ok") as server:
            adapter = OpenAICompatible(clock=clock)
            to = destination(server.base_url, options={"dialect": "ollama"})
            try:
                for _ in range(2):
                    answer = await adapter.send(call(to))
                    await answer.read(10_000)
                    await answer.aclose()
                paths = [each.path for each in server.received]
                assert paths == ["/api/show", "/v1/chat/completions", "/v1/chat/completions"]
            finally:
                await adapter.aclose()

    run(work())


def test_one_in_the_cloud_is_not_asked() -> None:
    async def work() -> None:
        async with FaultServer("ok") as server:
            adapter = OpenAICompatible(clock=clock)
            options = {"dialect": "ollama", "allow_private": "yes"}
            to = destination(server.base_url, zone=Zone.CLOUD, options=options)
            try:
                answer = await adapter.send(call(to))
                await answer.aclose()
                await asyncio.sleep(0)
                assert [each.path for each in server.received] == ["/v1/chat/completions"]
            finally:
                await adapter.aclose()

    run(work())
