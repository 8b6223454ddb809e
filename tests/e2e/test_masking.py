"""Masking as an SDK user meets it: the vendor gets placeholders, the caller the values."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.conftest import CONFIG, Lab

MAIL = "jane.roe@clinic.example"
PLEASE = f"Please answer {MAIL} for me."
MASKED = (
    CONFIG
    + """
  - slug: masked
    name: Masked
    floor: internal
    grants: [llama, claude]
    policy:
      kind: project-policy
      project: masked
      rules:
        - {{id: mails, when: {{category: personal}},
           then: {{mask: [EMAIL_ADDRESS], for: {{deployment: claude}}}}}}
"""
)


def _said(body: dict[str, Any]) -> str:
    said: str = body["messages"][-1]["content"]
    return said


def _answer(body: dict[str, Any]) -> dict[str, Any] | list[bytes]:
    """Says back what was asked, in text and in a tool call; a stream three characters a time."""
    said = _said(body)
    arguments = json.dumps({"text": said})
    function = {"name": "send", "arguments": arguments}
    if not body.get("stream"):
        call = {"id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": said, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return _tree("chat.completion", choice)
    deltas: list[dict[str, Any]] = [
        {"content": said[start : start + 3]} for start in range(0, len(said), 3)
    ]
    deltas += [
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[start : start + 3]}}]}
        for start in range(0, len(arguments), 3)
    ]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    trees = [_tree("chat.completion.chunk", choice) for choice in choices]
    return [f"data: {json.dumps(tree)}\n\n".encode() for tree in trees] + [b"data: [DONE]\n\n"]


def _tree(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "c", "object": kind, "created": 1, "model": "m", "choices": [choice]}


@pytest.fixture
def masked(lab: Lab) -> Iterator[Lab]:
    """The project `masked`, whose rule masks e-mail addresses for the cloud server."""
    lab.sluice.apply(MASKED.format(onprem=lab.onprem.base_url, cloud=lab.cloud.base_url))
    lab.cloud.server.answering = _answer
    lab.cloud.server.mode = "answering"
    yield lab


def _client(lab: Lab, *options: str) -> openai.OpenAI:
    name = f"masked-{len(options)}"
    made = lab.sluice.manage(
        "key", "create", name, "--project", "masked", "--service", name, *options
    )
    key = next(word for word in made.split() if word.startswith("sk-sluice-"))
    lab.sluice.settle()
    return lab.sluice.client(key)


def test_a_masked_answer_comes_back_whole_and_streamed(masked: Lab) -> None:
    client = _client(masked)
    raw = client.chat.completions.with_raw_response.create(
        model="vendor", messages=[{"role": "user", "content": PLEASE}]
    )
    assert raw.headers["x-sluice-zone"] == "cloud"
    assert raw.headers["x-sluice-masked"] == "1"
    message = raw.parse().choices[0].message
    assert message.content == PLEASE
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"text": PLEASE}

    text, arguments = "", ""
    for chunk in client.chat.completions.create(
        model="vendor", messages=[{"role": "user", "content": PLEASE}], stream=True
    ):
        delta = chunk.choices[0].delta
        text += delta.content or ""
        for piece in delta.tool_calls or ():
            assert piece.function is not None
            arguments += piece.function.arguments or ""
    assert text == PLEASE
    assert json.loads(arguments) == {"text": PLEASE}

    assert len(masked.cloud.received) == 2
    assert MAIL.encode() not in masked.cloud.everything
    first, second = (_said(json.loads(each.body)) for each in masked.cloud.received)
    assert first == second  # the same value, the same placeholder
    assert masked.onprem.received == []


def test_what_the_rule_does_not_mask_stays_and_the_refusal_names_it(masked: Lab) -> None:
    with pytest.raises(openai.PermissionDeniedError) as refused:
        _client(masked).chat.completions.create(
            model="vendor",
            messages=[{"role": "user", "content": f"{PLEASE} IBAN DE89370400440532013000"}],
        )
    assert "also mask 1 IBAN" in str(refused.value)
    assert masked.cloud.received == []


def test_a_key_without_the_right_gets_placeholders(masked: Lab) -> None:
    told = _client(masked, "--restores", "nothing").chat.completions.create(
        model="vendor", messages=[{"role": "user", "content": PLEASE}]
    )
    content = told.choices[0].message.content
    assert content == _said(json.loads(masked.cloud.received[0].body))
    assert content is not None
    assert MAIL not in content
