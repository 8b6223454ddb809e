"""The demo models as processes, asked with the openai package."""

import asyncio
import base64
import contextlib
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from gateway.providers.demo.answers import Role

ROOT = Path(__file__).resolve().parents[3]
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {
            "type": "object",
            "properties": {
                "what": {"type": "string"},
                "count": {"type": "integer"},
                "unit": {"enum": ["day", "week"]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}


async def _listening(path: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(str(path))
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def _client(role: Role, path: Path) -> Iterator[openai.OpenAI]:
    module = "gateway.providers.demo"
    command = [sys.executable, "-m", module, "--role", role, "--socket", str(path), "--delay-ms=0"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        asyncio.run(_listening(path))
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport) as http:
            yield openai.OpenAI(
                base_url="http://demo/v1", api_key="none", http_client=http, max_retries=0
            )
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def onprem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    with _client(Role.ONPREM, tmp_path_factory.mktemp("onprem") / "s") as client:
        yield client


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    with _client(Role.CLOUD, tmp_path_factory.mktemp("cloud") / "s") as client:
        yield client


def test_the_on_prem_model_quotes_what_was_asked(onprem: openai.OpenAI) -> None:
    answer = onprem.chat.completions.create(
        model="demo-onprem", messages=[{"role": "user", "content": "Where is my data?"}]
    )
    text = answer.choices[0].message.content or ""
    assert "Where is my data?" in text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 4
    assert answer.usage.completion_tokens == len(text.split())


def test_the_cloud_model_shows_exactly_what_it_received(cloud: openai.OpenAI) -> None:
    answer = cloud.chat.completions.create(
        model="demo-cloud",
        messages=[{"role": "system", "content": "Ü"}, {"role": "user", "content": "hi"}],
        temperature=0.5,
        tools=[TOOL],
    )
    assert json.loads(answer.choices[0].message.content or "") == {
        "model": "demo-cloud",
        "messages": [{"role": "system", "content": "Ü"}, {"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "tools": [TOOL],
    }


def test_the_same_request_gives_the_same_answer(onprem: openai.OpenAI) -> None:
    def ask() -> object:
        return onprem.chat.completions.create(
            model="demo-onprem", messages=[{"role": "user", "content": "again"}]
        ).model_dump()

    assert ask() == ask()


@pytest.mark.parametrize("role", list(Role))
def test_a_stream_carries_the_unstreamed_answer_and_usage(
    role: Role, request: pytest.FixtureRequest
) -> None:
    client: openai.OpenAI = request.getfixturevalue(role.value)
    stream = client.chat.completions.create(
        model=role.model,
        messages=[{"role": "user", "content": "a b c"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(chunks) > 5
    assert "a b c" in text
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(text.split())
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


ARGUMENTS = {"what": "the weather", "count": 1, "unit": "day", "tags": ["the weather"]}


def test_the_on_prem_model_calls_a_tool_and_then_answers(onprem: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "the weather"}]
    asked = onprem.chat.completions.create(model="demo-onprem", messages=messages, tools=[TOOL])
    assert asked.choices[0].finish_reason == "tool_calls"
    calls = asked.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "look_up"
    assert json.loads(calls[0].function.arguments) == ARGUMENTS
    messages.append({"role": "tool", "content": "it rains", "tool_call_id": "x"})
    after = onprem.chat.completions.create(model="demo-onprem", messages=messages, tools=[TOOL])
    assert "it rains" in (after.choices[0].message.content or "")


def test_a_streamed_tool_call_arrives_whole(onprem: openai.OpenAI) -> None:
    with onprem.chat.completions.stream(
        model="demo-onprem", messages=[{"role": "user", "content": "the weather"}], tools=[TOOL]
    ) as events:
        choice = events.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    assert json.loads(choice.message.tool_calls[0].function.arguments) == ARGUMENTS


def test_the_cloud_model_calls_a_tool_only_when_it_must(cloud: openai.OpenAI) -> None:
    answer = cloud.chat.completions.create(
        model="demo-cloud",
        messages=[{"role": "user", "content": "x"}],
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "look_up"}},
    )
    assert answer.choices[0].message.tool_calls


@pytest.mark.parametrize("model", ["demo-onprem", "demo-cloud"])
def test_structured_output_fits_its_schema(
    onprem: openai.OpenAI, cloud: openai.OpenAI, model: str
) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
    }
    client = onprem if model == "demo-onprem" else cloud
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Bern"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "place", "schema": schema},
        },
    )
    assert json.loads(answer.choices[0].message.content or "") == {"city": "Bern"}


def test_an_answer_ends_at_the_length_asked_for(onprem: openai.OpenAI) -> None:
    answer = onprem.chat.completions.create(
        model="demo-onprem", messages=[{"role": "user", "content": "x"}], max_tokens=3, n=2
    )
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert len((answer.choices[0].message.content or "").split()) == 3


def test_completions_stream_and_do_not(onprem: openai.OpenAI) -> None:
    whole = onprem.completions.create(model="demo-onprem", prompt="once upon a time")
    stream = onprem.completions.create(model="demo-onprem", prompt="once upon a time", stream=True)
    text = "".join(chunk.choices[0].text for chunk in stream)
    assert "once upon a time" in whole.choices[0].text
    assert text == whole.choices[0].text


def test_embeddings_are_deterministic_unit_vectors(onprem: openai.OpenAI) -> None:
    answer = onprem.embeddings.create(model="demo-onprem", input=["a b", "b a", "c"])
    first, second, third = (each.embedding for each in answer.data)
    assert first == pytest.approx(second)
    assert first != pytest.approx(third)
    assert sum(value * value for value in first) == pytest.approx(1, abs=1e-4)
    packed = onprem.embeddings.create(
        model="demo-onprem", input="a b", dimensions=16, encoding_format="base64"
    )
    raw: object = packed.data[0].embedding
    assert isinstance(raw, str)
    assert len(struct.unpack("<16f", base64.b64decode(raw))) == 16
    ids = onprem.embeddings.create(model="demo-onprem", input=[1, 2, 3])
    assert len(ids.data) == 1


def test_models_are_listed(onprem: openai.OpenAI, cloud: openai.OpenAI) -> None:
    assert [model.id for model in onprem.models.list()] == ["demo-onprem"]
    assert cloud.models.retrieve("demo-cloud").id == "demo-cloud"


def test_an_unknown_model_and_a_bad_body_are_refused(onprem: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        onprem.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError):
        onprem.post("/chat/completions", body={"model": "demo-onprem"}, cast_to=object)
    with pytest.raises(openai.BadRequestError):
        onprem.post("/embeddings", body={"model": "demo-onprem", "input": 5}, cast_to=object)
