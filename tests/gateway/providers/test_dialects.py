"""Servers that nearly speak OpenAI's dialect."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.providers.calls import (
    ProviderError,
    RequestRefused,
    UpstreamClosed,
    UpstreamProtocolError,
)
from gateway.providers.dialects import gpt4all_body, is_ollama_cloud, ollama_body
from gateway.providers.openai_compatible import OpenAICompatible
from policies.engine.facts import Zone
from tests.gateway.providers.calls_for_tests import call, clock, destination, run
from tests.gateway.providers.fault_server import FaultServer

STREAM = {"stream": True}


def ask(
    server_mode: str,
    dialect: str,
    body: dict[str, Any],
    *,
    raw: bytes = b"",
    model: str | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """The answer's bytes and the body the server received."""

    async def main() -> tuple[bytes, dict[str, Any]]:
        async with FaultServer(server_mode, raw=raw) as server:
            provider = OpenAICompatible(clock=clock)
            try:
                # In the cloud: an on_prem Ollama is asked where it runs the model first.
                options = {"dialect": dialect, "allow_private": "yes"}
                to = destination(server.base_url, zone=Zone.CLOUD, options=options)
                asked = call(to, {**body, "model": model} if model else body)
                answer = await provider.send(asked)
                pieces = [piece async for piece in answer.chunks()]
                await answer.aclose()
                return b"".join(pieces), json.loads(server.received[0].body)
            finally:
                await provider.aclose()

    return run(main())


@pytest.mark.parametrize(
    ("model", "cloud"),
    [
        ("gpt-oss:120b-cloud", True),
        ("deepseek-v3.1:671B-Cloud", True),
        ("minimax:cloud", True),
        ("llama3.2", False),
        ("llama3.2:3b", False),
        ("cloud", False),
        ("my-cloud:7b", False),
        ("ft:base:org::1", False),
    ],
)
def test_ollama_s_cloud_tags_are_known(model: str, cloud: bool) -> None:
    assert is_ollama_cloud(model) is cloud


def test_a_cloud_tag_is_never_on_prem() -> None:
    async def main() -> None:
        async with FaultServer() as server:
            provider = OpenAICompatible(clock=clock)
            to = replace(destination(server.base_url), upstream_model="gpt-oss:120b-cloud")
            try:
                with pytest.raises(RequestRefused, match=r"ollama\.com"):
                    await provider.send(call(to))
                assert not server.connections
                vendor = replace(to, zone=Zone.CLOUD, options={"allow_private": "yes"})
                answer = await provider.send(call(vendor))
                await answer.aclose()
            finally:
                await provider.aclose()

    run(main())


def test_ollama_gets_max_tokens() -> None:
    tree = {"max_completion_tokens": 5, "x": 1}
    assert ollama_body(tree) == {"max_tokens": 5, "x": 1}
    assert tree == {"max_completion_tokens": 5, "x": 1}
    assert ollama_body({"max_completion_tokens": 5, "max_tokens": 3}) == {"max_tokens": 3}
    _, sent = ask("ok", "ollama", {"max_completion_tokens": 7})
    assert sent["max_tokens"] == 7


def test_a_whole_stream_of_ollama_passes_untouched() -> None:
    plain, _ = ask("ok", "ollama", STREAM)
    assert plain.endswith(b"data: [DONE]\n\n")


def test_a_stream_of_ollama_without_its_end_is_a_failure() -> None:
    chunk = b'data: {"choices":[{"delta":{"content":"Hel"},"finish_reason":null}]}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    raw = head + b"content-length: %d\r\n\r\n" % len(chunk) + chunk
    with pytest.raises(UpstreamClosed) as caught:
        ask("raw", "ollama", STREAM, raw=raw)
    assert caught.value.after_first_byte


def test_gpt4all_gets_only_what_it_understands() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    tree = {
        "model": "m",
        "messages": [{"role": "user", "content": parts}, {"role": "system", "content": "c"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": 1,
        "stop": "x",
        "tools": [],
        "response_format": {},
        "max_completion_tokens": 9,
        "temperature": 0,
    }
    assert gpt4all_body(tree) == {
        "model": "m",
        "messages": [{"role": "user", "content": "a\nb"}, {"role": "system", "content": "c"}],
        "max_tokens": 9,
        "temperature": 0,
    }


def test_gpt4all_s_answer_is_streamed_by_us() -> None:
    body, sent = ask("ok", "gpt4all", STREAM)
    assert "stream" not in sent
    events = body.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert chunks[0]["choices"][0]["delta"]["content"] == "Hello there"
    assert chunks[1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[2]["usage"]["total_tokens"] == 5
    whole, _ = ask("ok", "gpt4all", {})
    assert json.loads(whole)["choices"][0]["message"]["content"] == "Hello there"


def test_another_model_than_asked_for_is_a_failure() -> None:
    with pytest.raises(UpstreamProtocolError, match="another model"):
        ask("ok", "gpt4all", {}, model="a model that is not loaded")


@pytest.mark.parametrize("mode", ["garbage", "closed", "broken_sse", "cut"])
def test_a_broken_answer_of_gpt4all_lets_the_next_be_asked(mode: str) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(mode, "gpt4all", {})
    assert not caught.value.after_first_byte


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(RequestRefused, match="ollama, gpt4all"):
        ask("ok", "klingon", {})
