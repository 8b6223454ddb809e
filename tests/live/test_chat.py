"""Chat completions and completions, whole and streamed."""

import json

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

pytestmark = pytest.mark.live

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": "Which river crosses the plain?"},
]
# Random weights write bytes that are no text and end at any moment; a pattern makes it words.
WORDS = {"structured_outputs": {"regex": "([a-z]{3} ){9}[a-z]{3}"}}
WORDS_LENGTH = 39
FULL_LENGTH = {"ignore_eos": True}


def test_a_chat_completion_comes_back_with_its_usage(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="llama", messages=HELLO, max_tokens=6, temperature=0, extra_body=WORDS
    )
    answer = raw.parse()
    assert raw.headers["x-sluice-zone"] == "on_prem"
    assert raw.headers["x-sluice-deployment"] in {"llama-a", "llama-b"}
    assert answer.model == "tiny-llama"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 6
    assert answer.usage.prompt_tokens > 5


def test_a_stream_says_the_same_as_the_whole_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(
        model="llama", messages=HELLO, max_tokens=80, temperature=0, extra_body=WORDS
    )
    chunks = list(
        client.chat.completions.create(
            model="llama",
            messages=HELLO,
            max_tokens=80,
            temperature=0,
            stream=True,
            extra_body=WORDS,
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert len(text) == WORDS_LENGTH
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(chunks) > 5
    # Sluice asks for the usage to account for it; who did not ask does not see it.
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_a_stream_ends_with_its_usage_when_asked_for(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="llama",
            messages=HELLO,
            max_tokens=7,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=FULL_LENGTH,
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 7


def test_several_choices_and_log_probabilities_pass_through(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="llama",
        messages=HELLO,
        max_tokens=4,
        n=3,
        logprobs=True,
        top_logprobs=2,
        seed=7,
        extra_body=FULL_LENGTH,
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    for choice in answer.choices:
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert len(choice.logprobs.content) == 4
        assert len(choice.logprobs.content[0].top_logprobs) == 2


def test_a_json_schema_is_obeyed(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"verdict": {"enum": ["yes", "no"]}, "sure": {"type": "boolean"}},
        "required": ["verdict", "sure"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="llama",
        messages=HELLO,
        max_tokens=120,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "verdict", "schema": schema, "strict": True},
        },
    )
    verdict = json.loads(answer.choices[0].message.content or "")
    assert verdict["verdict"] in {"yes", "no"}
    assert isinstance(verdict["sure"], bool)


def test_a_field_that_only_vllm_knows_reaches_it(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="llama",
        messages=HELLO,
        max_tokens=60,
        extra_body={"structured_outputs": {"choice": ["the Tagus", "the Danube"]}},
    )
    assert answer.choices[0].message.content in {"the Tagus", "the Danube"}


def test_a_completion_comes_back_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.completions.create(
        model="llama", prompt="The river", max_tokens=80, temperature=0, extra_body=WORDS
    )
    pieces = client.completions.create(
        model="llama",
        prompt="The river",
        max_tokens=80,
        temperature=0,
        stream=True,
        extra_body=WORDS,
    )
    assert len(whole.choices[0].text) == WORDS_LENGTH
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 5


def test_a_prompt_of_token_ids_stays_on_prem_and_is_answered(client: openai.OpenAI) -> None:
    raw = client.completions.with_raw_response.create(
        model="llama", prompt=[20, 30, 40], max_tokens=80, extra_body=WORDS
    )
    assert raw.headers["x-sluice-sensitivity"] == "restricted"
    assert raw.headers["x-sluice-zone"] == "on_prem"
    assert len(raw.parse().choices[0].text) == WORDS_LENGTH
