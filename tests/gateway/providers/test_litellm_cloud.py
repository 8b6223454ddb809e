"""The translator, as a process, against servers that speak the vendors' dialects."""

import asyncio
import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.providers.calls import (
    AddressRefused,
    Call,
    PermitViolation,
    RequestRefused,
)
from policies.classification.placeholders import keyed_hash, placeholder
from policies.engine.permit import Candidate
from tests.gateway.providers.calls_for_tests import permit
from tests.gateway.providers.cloud_house import (
    ASK,
    STREAM,
    TOOL,
    House,
    both_vendors,
    sent,
)
from tests.gateway.providers.fault_server import FaultServer


@both_vendors
def test_a_completion_comes_back_in_openai_s_shape(house: House, vendor: str) -> None:
    status, tree = house.run(house.answer(house.call(vendor)))
    assert status == 200
    assert tree["object"] == "chat.completion"
    assert set(tree) == {"id", "object", "created", "model", "choices", "usage"}
    choice = tree["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Hello there"}
    assert choice["finish_reason"] == "stop"
    used = tree["usage"]
    assert (used["prompt_tokens"], used["completion_tokens"], used["total_tokens"]) == (11, 7, 18)
    sent(house, vendor)


@both_vendors
def test_a_stream_comes_back_in_openai_s_shape(house: House, vendor: str) -> None:
    chunks = house.run(house.events(house.call(vendor, body=STREAM)))
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    pieces = [c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]]
    assert "".join(pieces) == "Hello there"
    assert len([piece for piece in pieces if piece]) >= 3
    reasons = [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]]
    assert reasons[-1] == "stop"
    assert reasons.count("stop") == 1
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 7


@both_vendors
def test_a_stream_without_stream_options_has_no_usage(house: House, vendor: str) -> None:
    chunks = house.run(house.events(house.call(vendor, body={**ASK, "stream": True})))
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@both_vendors
def test_tools_are_translated_there_and_back(house: House, vendor: str) -> None:
    asked = house.call(vendor, "tools", {**ASK, "tools": [TOOL], "tool_choice": "auto"})
    _, tree = house.run(house.answer(asked))
    choice = tree["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    made = choice["message"]["tool_calls"][0]
    assert set(made) == {"id", "type", "function"}
    assert made["function"]["name"] == "look_up"
    assert json.loads(made["function"]["arguments"]) == {"what": "rain"}
    assert "look_up" in json.dumps(sent(house, vendor)["tools"])


@both_vendors
def test_tool_calls_stream(house: House, vendor: str) -> None:
    asked = house.call(vendor, "tools", {**STREAM, "tools": [TOOL]})
    chunks = house.run(house.events(asked))
    deltas = [c["choices"][0]["delta"] for c in chunks if c["choices"]]
    calls = [made for delta in deltas for made in delta.get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "look_up"
    assert calls[0]["id"]
    arguments = "".join(made["function"].get("arguments", "") for made in calls)
    assert json.loads(arguments) == {"what": "rain"}
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "tool_calls"


@both_vendors
def test_tool_results_travel(house: House, vendor: str) -> None:
    function = {"name": "look_up", "arguments": '{"what": "rain"}'}
    messages = [
        {"role": "user", "content": "rain?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "it rains"},
    ]
    asked = house.call(vendor, body={"messages": messages, "tools": [TOOL]})
    status, _ = house.run(house.answer(asked))
    assert status == 200
    assert "it rains" in json.dumps(sent(house, vendor))


@both_vendors
def test_placeholders_reach_the_vendor_as_they_are(house: House, vendor: str) -> None:
    """A word of letters needs no escape, wherever a value stood."""
    key, words = bytes(32), []
    for number, data_class in enumerate(("EMAIL_ADDRESS", "IBAN", "PAYMENT_CARD", "US_SSN")):
        words += [
            placeholder(key, data_class, f"value {number}"),
            keyed_hash(key, data_class, f"value {number}"),
        ]
    said = " ".join(words)
    arguments = json.dumps({"to": words[0], words[1]: said})
    call_made = {"name": "look_up", "arguments": arguments}
    body = {
        "messages": [
            {"role": "system", "content": f"Write to {said}."},
            {"role": "user", "content": [{"type": "text", "text": f"`{words[0]}`, <{words[1]}>"}]},
            {
                "role": "assistant",
                "tool_calls": [{"id": "call_1", "type": "function", "function": call_made}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"found": said})},
        ],
        "tools": [TOOL],
    }
    status, _ = house.run(house.answer(house.call(vendor, body=body)))
    assert status == 200
    text = json.dumps(sent(house, vendor))
    for word in words:
        assert text.count(word) >= 3, word


def test_a_body_cannot_choose_where_it_goes(house: House) -> None:
    async def main() -> None:
        async with FaultServer() as elsewhere:
            body = {
                **ASK,
                "api_base": elsewhere.base_url,
                "base_url": elsewhere.base_url,
                "api_key": "other",
                "fallbacks": [{"model": "openai/x", "api_base": elsewhere.base_url}],
                "extra_headers": {"x-evil": "1"},
                "custom_llm_provider": "openai",
                "mock_response": "mocked",
                "num_retries": 3,
                "user": "someone",
                "metadata": {"who": "someone"},
            }
            status, tree = await house.answer(house.call("anthropic", body=body))
            assert status == 200
            assert tree["choices"][0]["message"]["content"] == "Hello there"
            assert not elsewhere.connections
        sent = house.servers["anthropic"].received[0]
        assert sent.header("x-api-key") == "vendor-key"
        assert sent.header("x-evil") is None
        assert sent.header("user-agent") == "sluice"
        assert b"someone" not in sent.body

    house.run(main())


@both_vendors
def test_a_remote_image_is_not_fetched_by_us(house: House, vendor: str) -> None:
    async def main() -> None:
        async with FaultServer() as elsewhere:
            url = f"http://127.0.0.1:{elsewhere.port}/picture.png"
            part = {"type": "image_url", "image_url": {"url": url}}
            body = {"messages": [{"role": "user", "content": [part]}]}
            status, _ = await house.answer(house.call(vendor, body=body))
            assert not elsewhere.connections
            # Refused, or handed to the vendor as an address; policy forbids the latter.
            assert status in {200, 400}

    house.run(main())


@both_vendors
def test_the_vendor_s_address_is_judged(house: House, vendor: str) -> None:
    asked = house.call(vendor, options={"allow_private": "no"})
    with pytest.raises(AddressRefused, match="allow_private"):
        house.run(house.cloud.send(asked))
    asked = house.call(vendor, base_url="http://169.254.169.254/v1beta")
    with pytest.raises(AddressRefused, match="never used"):
        house.run(house.cloud.send(asked))
    assert not house.servers[vendor].received


def test_a_name_is_looked_up_through_the_guard(house: House) -> None:
    port = house.servers["anthropic"].port
    asked = house.call("anthropic", base_url=f"http://localhost:{port}/ok")
    # Whether ::1 answers depends on the machine; that the lookup is allowed does not.
    status, _ = house.run(house.answer(asked))
    assert status == 200


def test_a_parameter_the_vendor_does_not_have_is_refused_or_dropped(house: House) -> None:
    body = {**ASK, "logit_bias": {"1": 1}}
    status, tree = house.run(house.answer(house.call("anthropic", body=body)))
    assert status == 400
    assert "logit_bias" in tree["error"]["message"]
    assert not house.servers["anthropic"].received
    asked = house.call("anthropic", body=body, options={"drop_params": "yes"})
    status, _ = house.run(house.answer(asked))
    assert status == 200


def test_gemini_serves_embeddings(house: House) -> None:
    body = {"input": ["a", "b"]}
    status, tree = house.run(house.answer(house.call("gemini", body=body, path="/embeddings")))
    assert status == 200
    assert [item["embedding"] for item in tree["data"]] == [[0.5, 0.0], [0.5, 1.0]]
    packed = {**body, "encoding_format": "base64"}
    _, tree = house.run(house.answer(house.call("gemini", body=packed, path="/embeddings")))
    assert tree["data"][0]["embedding"] == "AAAAPwAAAAA="


def test_a_path_that_vendors_do_not_serve_is_not_found(house: House) -> None:
    status, _ = house.run(house.answer(house.call("gemini", path="/completions")))
    assert status == 404


def test_a_permit_violation_sends_nothing(house: House) -> None:
    asked = replace(house.call("anthropic"), permit=permit())
    with pytest.raises(PermitViolation):
        house.run(house.cloud.send(asked))
    assert not house.servers["anthropic"].received


def test_a_permit_that_ran_out_while_translating_sends_nothing(house: House) -> None:
    asked = house.call("anthropic")
    here = Candidate(asked.destination.deployment, asked.destination.zone)
    # The gateway's clock stands still in these tests; the translator's does not.
    short = permit(here, expires_in=timedelta(microseconds=1))
    with pytest.raises(PermitViolation):
        house.run(house.cloud.send(replace(asked, permit=short)))
    assert not house.servers["anthropic"].received


def test_a_deployment_without_a_dialect_is_refused(house: House) -> None:
    asked = house.call("anthropic", options={"litellm_provider": ""})
    with pytest.raises(RequestRefused, match="litellm_provider"):
        house.run(house.cloud.send(asked))


def test_sixty_four_calls_at_once_lose_nothing(house: House) -> None:
    async def main() -> None:
        calls = [house.call("anthropic", body=STREAM if at % 2 else ASK) for at in range(64)]

        async def one(asked: Call) -> None:
            if asked.stream:
                assert len(await house.events(asked)) > 3
            else:
                assert (await house.answer(asked))[0] == 200

        await asyncio.gather(*(one(asked) for asked in calls))
        assert len(house.servers["anthropic"].received) == 64

    house.run(main())


def test_the_child_is_private_and_silent(house: House) -> None:
    house.run(house.answer(house.call("anthropic")))
    assert house.process.socket.parent.stat().st_mode & 0o777 == 0o700
    proc = Path(f"/proc/{house.process.pid}")
    if not proc.exists():
        pytest.skip("no /proc on this system")
    for descriptor in ("1", "2"):
        assert (proc / "fd" / descriptor).readlink() == Path(os.devnull)
    environment = (proc / "environ").read_bytes()
    assert b"HTTP_PROXY" not in environment
    assert b"vendor-key" not in environment
    assert b"LITELLM_LOCAL_MODEL_COST_MAP=True" in environment
