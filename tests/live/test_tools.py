"""Tool calls. A pattern that spells the call makes random weights call a tool for sure."""

import json

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

pytestmark = pytest.mark.live

QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "How warm is it in Lisbon?"}
]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = {
    "structured_outputs": {
        "regex": (
            r'<tool_call>\{"name": "weather", "arguments": '
            r'\{"city": "(Lisbon|Porto)"\}\}</tool_call>'
        )
    }
}


def test_a_tool_is_called(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="llama", messages=QUESTION, tools=[WEATHER], max_tokens=150, extra_body=CALL
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments)["city"] in {"Lisbon", "Porto"}


def test_a_tool_is_called_in_a_stream(client: openai.OpenAI) -> None:
    name, arguments, reason = "", "", None
    for chunk in client.chat.completions.create(
        model="llama",
        messages=QUESTION,
        tools=[WEATHER],
        max_tokens=150,
        stream=True,
        extra_body=CALL,
    ):
        choice = chunk.choices[0]
        reason = choice.finish_reason or reason
        for call in choice.delta.tool_calls or []:
            if call.function:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
    assert reason == "tool_calls"
    assert name == "weather"
    assert json.loads(arguments)["city"] in {"Lisbon", "Porto"}


def test_a_tools_result_is_sent_back_and_answered(client: openai.OpenAI) -> None:
    called = client.chat.completions.create(
        model="llama", messages=QUESTION, tools=[WEATHER], max_tokens=150, extra_body=CALL
    )
    (call,) = called.choices[0].message.tool_calls or []
    assert call.type == "function"
    conversation: list[ChatCompletionMessageParam] = [
        *QUESTION,
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": call.function.name,
                        "arguments": call.function.arguments,
                    },
                }
            ],
        },
        {"role": "tool", "tool_call_id": call.id, "content": '{"celsius": 19}'},
    ]
    answer = client.chat.completions.create(
        model="llama",
        messages=conversation,
        tools=[WEATHER],
        max_tokens=60,
        extra_body={"structured_outputs": {"choice": ["It is warm.", "It is cold."]}},
    )
    assert answer.choices[0].message.content in {"It is warm.", "It is cold."}
