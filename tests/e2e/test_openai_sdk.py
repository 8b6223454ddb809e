"""Existing OpenAI SDK code, pointed at Sluice."""

import json
from typing import Any

import openai
import pydantic
import pytest

from tests.e2e.conftest import Lab
from tests.support.sluice import Sluice

IBAN = "DE89 3704 0044 0532 0130 00"
HELLO: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]


def test_a_clean_prompt_to_auto_goes_to_the_cloud(sluice_server: Sluice) -> None:
    answer = sluice_server.client().chat.completions.with_raw_response.create(
        model="auto", messages=HELLO
    )
    assert answer.headers["x-sluice-zone"] == "cloud"
    assert answer.headers["x-sluice-deployment"] == "demo-cloud"
    assert answer.headers["x-request-id"].startswith("req_")
    parsed = answer.parse()
    assert "capital of France" in (parsed.choices[0].message.content or "")
    assert parsed.usage is not None


def test_an_iban_to_auto_stays_on_prem(sluice_server: Sluice) -> None:
    answer = sluice_server.client().chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": f"Check {IBAN} please"}]
    )
    assert answer.headers["x-sluice-zone"] == "on_prem"
    assert answer.headers["x-sluice-sensitivity"] == "confidential"
    assert "payment" in answer.headers["x-sluice-categories"]


def test_an_iban_to_a_cloud_alias_is_refused_with_the_way_out(sluice_server: Sluice) -> None:
    with pytest.raises(openai.PermissionDeniedError) as refused:
        sluice_server.client().chat.completions.create(
            model="demo-cloud", messages=[{"role": "user", "content": f"Check {IBAN} please"}]
        )
    error = refused.value
    assert error.code == "policy_denied"
    assert error.response.headers["x-sluice-decision"].startswith("dec_")
    body = error.response.json()["error"]
    assert body["found"] == {"IBAN": 1}
    assert body["dropped"][0]["deployment"] == "demo-cloud"
    assert [way["change"] for way in body["suggestions"]] == ["mask", "alias"]
    assert "370400440532013000" not in error.response.text.replace(" ", "")


def test_an_image_to_auto_stays_on_prem(sluice_server: Sluice) -> None:
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
        "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    parts: list[Any] = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": pixel}},
    ]
    answer = sluice_server.client().chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": parts}]
    )
    assert answer.headers["x-sluice-zone"] == "on_prem"
    assert answer.headers["x-sluice-sensitivity"] == "restricted"
    with pytest.raises(openai.PermissionDeniedError):
        sluice_server.client().chat.completions.create(
            model="demo-cloud", messages=[{"role": "user", "content": parts}]
        )


def test_the_sdk_parses_what_the_demo_cloud_answers(sluice_server: Sluice) -> None:
    class Person(pydantic.BaseModel):
        name: str
        age: int

    answer = sluice_server.client().chat.completions.parse(
        model="auto", messages=HELLO, response_format=Person
    )
    assert answer.choices[0].message.parsed is not None


def test_the_cloud_has_received_nothing_when_refused(lab: Lab) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        lab.client.chat.completions.create(
            model="vendor", messages=[{"role": "user", "content": f"Check {IBAN}"}]
        )
    assert lab.cloud.received == []
    lab.client.chat.completions.create(model="vendor", messages=HELLO)
    assert len(lab.cloud.received) == 1


def test_streaming(lab: Lab) -> None:
    stream = lab.client.chat.completions.create(model="private", messages=HELLO, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "Hello there"


def test_a_stream_carries_usage_when_asked_and_only_then(sluice_server: Sluice) -> None:
    client = sluice_server.client()
    asked = client.chat.completions.create(
        model="demo-onprem", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert any(chunk.usage for chunk in asked)
    unasked = client.chat.completions.create(model="demo-onprem", messages=HELLO, stream=True)
    chunks = list(unasked)
    assert all(chunk.choices for chunk in chunks)
    assert not any(chunk.usage for chunk in chunks)


def test_completions_and_embeddings(sluice_server: Sluice) -> None:
    client = sluice_server.client()
    completion = client.completions.create(model="demo-onprem", prompt="Once upon a time")
    assert completion.choices[0].text
    embedding = client.embeddings.create(model="demo-onprem", input=["one", "two"])
    assert len(embedding.data) == 2


def test_models_lists_what_the_project_may_use(lab: Lab, sluice_server: Sluice) -> None:
    assert {model.id for model in lab.client.models.list()} == {
        "private",
        "vendor",
        "cloud-first",
        "house-first",
    }
    assert sluice_server.client().models.retrieve("auto").id == "auto"
    with pytest.raises(openai.NotFoundError):
        lab.client.models.retrieve("auto")


def test_the_model_that_answered_is_named(lab: Lab) -> None:
    answer = lab.client.chat.completions.create(model="private", messages=HELLO)
    assert answer.model == "tiny-llama"


def test_an_unknown_model_is_404(lab: Lab) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        lab.client.chat.completions.create(model="gpt-17", messages=HELLO)
    assert missing.value.code == "model_not_found"


def test_a_wrong_key_is_401(sluice_server: Sluice) -> None:
    with pytest.raises(openai.AuthenticationError):
        sluice_server.client("sk-sluice-nobody").models.list()


def test_declaring_raises_by_header_and_by_metadata(lab: Lab) -> None:
    by_header = lab.client.chat.completions.with_raw_response.create(
        model="cloud-first", messages=HELLO, extra_headers={"x-sluice-declare": "health"}
    )
    by_body = lab.client.chat.completions.with_raw_response.create(
        model="cloud-first", messages=HELLO, metadata={"sluice_declare": "confidential"}
    )
    assert by_header.headers["x-sluice-rules"] == "project:health-stays"
    assert by_header.headers["x-sluice-sensitivity"] == "restricted"
    assert by_body.headers["x-sluice-sensitivity"] == "confidential"
    assert lab.cloud.received == []
    assert b"sluice_declare" not in lab.onprem.everything


def test_a_misspelt_declaration_is_refused(lab: Lab) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        lab.client.chat.completions.create(
            model="private", messages=HELLO, extra_headers={"x-sluice-declare": "confidental"}
        )
    assert refused.value.param == "x-sluice-declare"
    assert lab.onprem.received == []


def test_unknown_fields_reach_on_prem_and_not_the_cloud(lab: Lab) -> None:
    extra = {"guided_choice": ["a", "b"]}
    lab.client.chat.completions.create(model="private", messages=HELLO, extra_body=extra)
    lab.client.chat.completions.create(
        model="vendor", messages=HELLO, user="team-7", extra_body=extra
    )
    assert json.loads(lab.onprem.received[0].body)["guided_choice"] == ["a", "b"]
    sent = json.loads(lab.cloud.received[0].body)
    assert sorted(sent) == ["messages", "model"]
    assert sent["model"] == "vendor-large"


def test_client_headers_do_not_travel_and_upstream_headers_do_not_return(lab: Lab) -> None:
    stream = lab.client.chat.completions.with_raw_response.create(
        model="vendor",
        messages=HELLO,
        stream=True,
        extra_headers={"x-project-secret": "abc", "OpenAI-Organization": "org-1"},
    )
    assert "x-secret-header" not in stream.headers
    assert b"x-project-secret" not in lab.cloud.everything.lower()
    assert b"openai-organization" not in lab.cloud.everything.lower()
    assert b"sk-sluice" not in lab.cloud.everything
    assert b"x-stainless" not in lab.cloud.everything.lower()


def test_a_keys_requests_per_minute_hold_and_say_how_long_to_wait(lab: Lab) -> None:
    made = lab.sluice.manage(
        *["key", "create", "limited", "--project", "lab", "--service", "limited"],
        *["--requests-per-minute", "3"],
    )
    key = next(word for word in made.split() if word.startswith("sk-sluice-"))
    lab.sluice.settle()
    answered, limited = 0, []
    with lab.sluice.client(key) as client:
        # Seven in a row: at most one border between two minutes lies within them.
        for _ in range(7):
            try:
                client.chat.completions.create(model="private", messages=HELLO)
                answered += 1
            except openai.RateLimitError as error:
                limited.append(error)
    assert 3 <= answered <= 6
    assert limited
    assert limited[-1].code == "rate_limited"
    assert 0 < int(limited[-1].response.headers["retry-after"]) <= 60
    assert len(lab.onprem.received) == answered
